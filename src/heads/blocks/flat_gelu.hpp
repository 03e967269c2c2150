#pragma once

#include <ATen/core/Tensor.h>

namespace bv {

/// Whether flat_gelu can compute with values of x's type and device: float32 on a CPU that has AVX-512.
bool has_flat_gelu(const at::Tensor& x);

/// The tanh-approximated GELU of x (L, N, K, W), flattened as the block "flatten" does it: (K, N, W * L)
/// whose element w * L + l belongs to x[l, n, k, w]. Differentiable in x. A row of one head is read, computed
/// and put into its order while it is in a cache of the core; forward and backward pass each go through
/// memory once. Within 1e-6 of at::gelu, relative to the larger of 1 and the result. Call it only if
/// has_flat_gelu is true.
at::Tensor flat_gelu(const at::Tensor& x);

}  // namespace bv
