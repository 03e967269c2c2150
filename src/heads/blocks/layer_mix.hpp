#pragma once

#include <ATen/core/Tensor.h>

namespace bv {

/// K mixes of L layers: sum_l mixes[k, l] * states[k, l] for each k, as (K, N, W) in float32, from `states`
/// (K, L, N, W), or (1, L, N, W) for all of them, and `mixes` (K, L) in float32; differentiable in both. Such
/// states of all, without a gradient of their own, are read where they lie, in float32, float16 or bfloat16:
/// no copy of them is made. On CPUs with AVX-512 each mix of them, and its gradient, has the same bits
/// whatever the others and however many the threads.
at::Tensor layer_mix(const at::Tensor& states, const at::Tensor& mixes);

}  // namespace bv
