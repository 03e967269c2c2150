#pragma once

#include <ATen/core/Tensor.h>

namespace bv {

/// Whether mixed_linear can compute this: states (1, L, N, W) that all heads share, without a gradient and in
/// a type that the kernels of layer_mix read on this processor, and weights (K, 2, W) in float32.
bool has_mixed_linear(const at::Tensor& states, const at::Tensor& weights);

/// K mixes of layers, and a linear layer of two outputs, without a bias, for each of them: sum_w weights[k,
/// o, w] * m[k, n, w] with m = layer_mix(states, mixes), as (K, N, 2) in float32. `states` is (1, L, N, W),
/// in float8 (1, L, N, 4 + W), `mixes` (K, L) and `weights` (K, 2, W), both float32; the result is
/// differentiable in these two. The mixes are never in memory as a whole: a tile of rows is read once, mixed
/// for all heads and multiplied while it is in the processor's cache. The backward pass reads the states once
/// more and sums their products with the gradients, from which both results follow. Each head has the same
/// bits whatever the other heads are and however many threads there are. Call it only if has_mixed_linear is
/// true.
at::Tensor mixed_linear(const at::Tensor& states, const at::Tensor& mixes, const at::Tensor& weights);

}  // namespace bv
