#pragma once

#include <ATen/core/Tensor.h>

#include "random/dropout.hpp"

namespace bv {

/// A hidden state (N, H) in float32, and its copy in the precision of matrix products. If that is float32,
/// both are the same tensor.
struct HiddenState {
    at::Tensor values;
    at::Tensor rounded;
};

/// LayerNorm(dropped(x) + residual). `x` (N, H) is in the precision of matrix products; `residual` (N, H),
/// `weight` (H) and `bias` (H) are float32. On CPUs with AVX-512 it takes one pass over memory.
/// Differentiable.
HiddenState residual_norm(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                          const at::Tensor& bias, double epsilon, const DropoutPlan& dropout);

}  // namespace bv
