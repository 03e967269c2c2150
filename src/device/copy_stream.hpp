#pragma once

#include <optional>

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

namespace bv {

/// Copies tensors between a rank's device and host memory, on a GPU beside what it computes.
class CopyStream {
  public:
    explicit CopyStream(at::Device device);

    /// Local: starts copying `source`, which may be of another element type, into `target`, host memory.
    void to_host(const at::Tensor& source, const at::Tensor& target);

    /// Local: waits for all copies started.
    void wait();

    /// Local: starts copying `host` to the device: not to be used before `hand_over`. `host` itself on a CPU.
    at::Tensor to_device(const at::Tensor& host);

    /// Local: lets what the device is given to compute from now on use `copy`, made by `to_device`.
    void hand_over(const at::Tensor& copy);

  private:
    c10::Stream computing() const;

    at::Device device_;
    std::optional<c10::Stream> stream_;  // of the copies, on a GPU
};

/// Local: uninitialised host memory for copies from and to `device`: page-locked for a GPU, which cannot copy
/// beside its work otherwise.
at::Tensor host_memory(at::IntArrayRef shape, at::ScalarType type, at::Device device);

}  // namespace bv
