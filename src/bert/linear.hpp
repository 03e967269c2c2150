#pragma once

#include <ATen/core/Tensor.h>

namespace bv {

/// x W^T + b with x (N, in), W (out, in) and b (out), all of one type. It does what at::linear does. In
/// bfloat16 on CPUs it adds the bias within the product; at::linear would copy the bias N times before.
/// Differentiable.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

/// `linear` with W and b that no longer change, without gradients. They are rounded once. In bfloat16 on
/// CPUs they are stored in the order in which oneDNN's matrix products read them; that takes 5 to 8 % less
/// time than at::linear.
class FrozenLinear {
  public:
    FrozenLinear() = default;
    /// Rounds `weight` (out, in) and `bias` (out) to `precision`, and stores them for fast products.
    FrozenLinear(const at::Tensor& weight, const at::Tensor& bias, at::ScalarType precision);

    /// Whether this object holds weights.
    explicit operator bool() const { return weight_.defined(); }

    /// Returns (N, out) from `x` (N, in), whose type must be the constructor's `precision`.
    at::Tensor operator()(const at::Tensor& x) const;

  private:
    bool laid_out_ = false;
    at::Tensor weight_;
    at::Tensor bias_;
};

}  // namespace bv
