#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include <ATen/core/Tensor.h>

#include "squad/features/features.hpp"
#include "tensor/packed_sequences.hpp"

namespace bv {

/// B sequences, one after the other: N real tokens, no padding.
struct Batch {
    std::shared_ptr<const PackedSequences> packed;  ///< rows are tokens
    at::Tensor ids;                                 ///< (N) int64, vocabulary ids
    at::Tensor segments;                            ///< (N) int64, 0 or 1
    at::Tensor positions;                           ///< (N) int64, place of the token in its sequence
    at::Tensor sequence_of;                         ///< (N) int64, the sequence a token belongs to

    std::int64_t sequences() const { return packed->sequences(); }
    std::int64_t tokens() const { return packed->rows(); }

    /// The same batch in the memory of `device`.
    Batch to(at::Device device) const;
};

/// The tokens of the features with the numbers in `which`, in that order, and their labels, in host memory.
PackedSequences pack_features(const Features& features, std::span<const std::int64_t> which);

/// The features with the numbers in `which`, in that order, as a batch in host memory.
Batch make_batch(const Features& features, std::span<const std::int64_t> which);

}  // namespace bv
