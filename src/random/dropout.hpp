#pragma once

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

#include "random/dropout_bits.hpp"
#include "random/philox.hpp"
#include "tensor/packed_sequences.hpp"

namespace bv {

/// Where in the network a dropout stands.
enum class DropoutSite : std::uint32_t { embedding, attention, attention_output, layer_output, head };

/// The dropout law: whether an element is kept is a pure function of (seed, step, example, layer, site,
/// element within the example), by Philox4x32-10 (Salmon et al. 2011). A mask depends neither on the number
/// of ranks nor on the other examples in the batch. The backward pass keeps the bits of the forward pass
/// where that is cheap (kernels on CPUs) and draws them again elsewhere.
struct DropoutKey {
    std::uint64_t seed = 0;
    std::int64_t step = 0;
};

/// The dropout of one site over one batch. Elements are dropped with probability `p`, rounded to a multiple
/// of 2^-16 below 1. The others are divided by the exact probability that an element is kept.
struct DropoutPlan {
    double p = 0;  ///< 0 drops nothing
    DropoutKey key;
    std::int64_t layer = 0;
    DropoutSite site = DropoutSite::embedding;
    std::shared_ptr<const PackedSequences> sequences;  ///< in the memory of what is dropped

    /// The random bits of sequence `b` of the plan.
    DropoutStream stream(std::size_t b) const;

    /// Which of the elements [begin, end) of sequence `b` are kept.
    KeepBits keep_bits(std::size_t b, std::int64_t begin, std::int64_t end) const;
};

/// `x` with the plan's mask applied to its rows (its first dimension). The result is float32, whatever the
/// type of `x`; if p is 0 it is `x` itself. Differentiable.
at::Tensor dropout(const at::Tensor& x, const DropoutPlan& plan);

/// `dropout(x) + residual` in float32. The gradient of `x` has the type of `x`. Differentiable.
at::Tensor dropout_add(const at::Tensor& x, const at::Tensor& residual, const DropoutPlan& plan);

/// to = from * mask, where the mask (0 or 1 / keep probability) is that of one example, from its element 0
/// on. Both are contiguous and have the same size; they are float32, or one of them is bfloat16. `to` may be
/// `from`. The mask is the same on CPUs and GPUs.
void apply_dropout_mask(const at::Tensor& from, const at::Tensor& to, const DropoutStream& stream);

}  // namespace bv
