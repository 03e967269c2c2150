#pragma once

#include <ATen/core/Tensor.h>

namespace bv {

/// K mixes of L layers: sum_l mixes[k, l] * states[l] for each k, as (K, N, W) float32, from `states` (L, N,
/// W) in float32, float16 or bfloat16 and `mixes` (K, L) in float32; differentiable in both. On CPUs states
/// without a gradient of their own are read where they lie, in the type they have: no copy of them is made.
/// With AVX-512 each mix, and its gradient, has the same bits whatever the others and however many the
/// threads.
at::Tensor layer_mix(const at::Tensor& states, const at::Tensor& mixes);

}  // namespace bv
