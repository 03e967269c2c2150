#pragma once

#include <ATen/core/Tensor.h>

namespace bv {

/// Whether mixed_linear can compute this: states (1, L, N, W) that all heads share, without a gradient and in
/// a type that the kernels of layer_mix read on this processor, and weights (K, 2, W) in float32.
bool has_mixed_linear(const at::Tensor& states, const at::Tensor& weights);

/// K mixes of layers, and a linear layer of two outputs after each of them: biases[k, o] + sum_w weights[k,
/// o, w] * m[k, n, w] with m = layer_mix(states, mixes), as (K, N, 2) in float32. In memory it is (K, 2, N),
/// a transposed view, because the loss takes a softmax over N. `states` is (1, L, N, W), in float8 (1, L, N,
/// 4 + W), `mixes` (K, L), `weights` (K, 2, W) and `biases` (K, 2), these three float32; the result is
/// differentiable in them. m is never in memory: its values are multiplied while they are in registers. The
/// backward pass reads the states once more and sums their products with the gradients, from which the
/// gradients of mixes and weights follow. The result and the gradients of a head have the same bits whatever
/// the other heads are and however many threads there are. Call it only if has_mixed_linear is true.
at::Tensor mixed_linear(const at::Tensor& states, const at::Tensor& mixes, const at::Tensor& weights,
                        const at::Tensor& biases);

}  // namespace bv
