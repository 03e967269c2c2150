#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

namespace bv {

/// Where in the network a dropout stands.
enum class DropoutSite : std::uint32_t { embedding, attention, attention_output, layer_output, head };

/// The dropout law: whether an element is kept is a pure function of (seed, step, example, layer, site,
/// element within the example), by Philox4x32-10 (Salmon et al. 2011). A mask depends neither on the number
/// of ranks nor on what else is in the batch, and the backward pass draws it again instead of storing it.
struct DropoutKey {
    std::uint64_t seed = 0;
    std::int64_t step = 0;
};

/// `x` with each element zeroed with probability `p`, the others divided by the exact probability of being
/// kept
/// (`p` is rounded to a multiple of 2^-16). `rows` (B + 1) says which rows of `x` (its first dimension)
/// belong to which of `examples` (B). Differentiable. In float32 whatever `x` is in; `x` itself when p is 0.
at::Tensor dropout(const at::Tensor& x, double p, const DropoutKey& key, std::int64_t layer, DropoutSite site,
                   std::span<const std::int64_t> rows, std::span<const std::int64_t> examples);

/// to = from times the mask (0 or 1 / keep probability) of one example's elements from its element 0 on. Both
/// contiguous, of equal size, float32 or one of them bfloat16; `to` may be `from`. CPU or GPU memory, the
/// same mask.
void apply_dropout_mask(const at::Tensor& from, const at::Tensor& to, double p, const DropoutKey& key,
                        std::int64_t layer, DropoutSite site, std::int64_t example);

}  // namespace bv
