#pragma once

#include <optional>

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

namespace bv {

/// Copies tensors from a rank's device into host memory, on a GPU beside what it goes on computing.
class HostCopy {
  public:
    explicit HostCopy(at::Device device);

    /// Host memory that copies can be made into: page-locked for a GPU.
    at::Tensor empty(at::IntArrayRef shape, at::ScalarType type) const;

    /// Starts copying `source`, which may be of another element type, into `target`, memory of `empty`.
    void copy(const at::Tensor& source, const at::Tensor& target);

    /// Waits for all copies started.
    void wait();

  private:
    at::Device device_;
    std::optional<c10::Stream> stream_;  // of the copies, on a GPU
};

}  // namespace bv
