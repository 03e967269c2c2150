#pragma once

#include <cstdint>

#include <c10/util/BFloat16.h>

#include "core/philox.hpp"

namespace bv {

/// Multiplies `count` elements of GPU memory by the mask of `stream`, the same bits as on the CPU, on the
/// default stream of the current GPU. Throws std::runtime_error with CUDA's reason.
void mask_on_gpu(float* data, std::int64_t count, const DropoutStream& stream);
void mask_on_gpu(c10::BFloat16* data, std::int64_t count, const DropoutStream& stream);

}  // namespace bv
