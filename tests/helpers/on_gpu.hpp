#pragma once

#include <ATen/core/Tensor.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include "device/gpus.hpp"

namespace bv {

/// Tests, of gtest's class `Base`, on this machine's first GPU; skipped by name where there is none.
template <class Base>
class OnGpu : public Base {
  protected:
    void SetUp() override {
        if (visible_gpus().empty()) GTEST_SKIP() << "0 GPUs for 1 rank";
        ASSERT_NE(dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL), nullptr) << dlerror();
    }

    const at::Device device_{at::kCUDA, 0};
};

}  // namespace bv
