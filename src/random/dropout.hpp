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
/// of ranks nor on what else is in the batch. The backward pass keeps bits of the forward pass where that is
/// cheap (a CPU's kernels) and draws them again elsewhere.
struct DropoutKey {
    std::uint64_t seed = 0;
    std::int64_t step = 0;
};

/// The dropout of one site over one batch. Elements are dropped with probability `p`, the others divided by
/// the exact probability of being kept (`p` is rounded to a multiple of 2^-16).
struct DropoutPlan {
    double p = 0;  ///< 0 drops nothing
    DropoutKey key;
    std::int64_t layer = 0;
    DropoutSite site = DropoutSite::embedding;
    std::shared_ptr<const PackedSequences> sequences;  ///< in the memory of what is dropped

    /// The random bits of the plan's example `b`.
    DropoutStream stream(std::size_t b) const;

    /// Which of its elements [begin, end) are kept.
    KeepBits keep_bits(std::size_t b, std::int64_t begin, std::int64_t end) const;
};

/// `x` with the plan's mask applied to its rows (its first dimension). Differentiable. In float32 whatever
/// `x` is in; `x` itself when p is 0.
at::Tensor dropout(const at::Tensor& x, const DropoutPlan& plan);

/// `dropout(x) + residual`, in float32; the gradient of x is in its own type.
at::Tensor dropout_add(const at::Tensor& x, const at::Tensor& residual, const DropoutPlan& plan);

/// to = from times the mask (0 or 1 / keep probability) of one example's elements from its element 0 on. Both
/// contiguous, of equal size, float32 or one of them bfloat16; `to` may be `from`. CPU or GPU memory, the
/// same mask.
void apply_dropout_mask(const at::Tensor& from, const at::Tensor& to, const DropoutStream& stream);

}  // namespace bv
