#pragma once

#include <optional>

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

namespace bv {

/// Copies tensors between a rank's device and the memory of the host. On a GPU the copies run at the same
/// time as its computations.
class CopyStream {
  public:
    explicit CopyStream(at::Device device);

    /// Local: starts to copy `source` into `target`, which is host memory and may have another element
    /// type.
    void to_host(const at::Tensor& source, const at::Tensor& target);

    /// Local: returns when all started copies are done.
    void wait();

    /// Local: starts to copy `host` to the device and returns the copy, which must not be used before
    /// `hand_over`. On a CPU it returns `host` itself.
    at::Tensor to_device(const at::Tensor& host);

    /// Local: returns `copy`, a result of `to_device`, for use: computations that the device gets from now
    /// on wait until the copy is done.
    at::Tensor hand_over(const at::Tensor& copy);

  private:
    c10::Stream computing() const;

    at::Device device_;
    std::optional<c10::Stream> stream_;  // of the copies, on a GPU
};

/// Local: uninitialised host memory for copies from and to `device`. For a GPU it is page-locked: otherwise
/// the GPU could not copy while it computes.
at::Tensor host_memory(at::IntArrayRef shape, at::ScalarType type, at::Device device);

}  // namespace bv
