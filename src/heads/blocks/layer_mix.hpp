#pragma once

#include <ATen/core/Tensor.h>

namespace bv {

/// Makes K mixes of L layers: sum_l mixes[k, l] * states[k, l] for each k, as (K, N, W) in float32.
/// `states` is (K, L, N, W), or (1, L, N, W) if all heads have the same states. `mixes` is (K, L) in
/// float32. The result is differentiable in both. If all heads have the same states and these need no
/// gradient, they may be float32, float16, bfloat16 or float8 (uint8, (1, L, N, 4 + W); see
/// tensor/float8.hpp) and are read without a copy. On CPUs with AVX-512
/// each of these mixes, and its gradient, has the same bits whatever the other mixes are and however many
/// threads there are.
at::Tensor layer_mix(const at::Tensor& states, const at::Tensor& mixes);

}  // namespace bv
