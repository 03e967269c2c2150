#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "squad/features/features.hpp"

namespace bv {

/// B sequences, one after the other: N real tokens, no padding.
struct Batch {
    std::vector<std::int64_t> examples;  ///< (B) number of each sequence's feature in the features file
    std::vector<std::int64_t> starts;    ///< (B + 1) first token of each sequence; starts[B] = N
    at::Tensor bounds;                   ///< (B + 1) int32, the same as `starts`
    at::Tensor packing;                  ///< (2 B + 1) int64, starts, then examples
    at::Tensor ids;                      ///< (N) int64, vocabulary ids
    at::Tensor segments;                 ///< (N) int64, 0 or 1
    at::Tensor positions;                ///< (N) int64, place of the token in its sequence
    at::Tensor first_tokens;             ///< (B) int64, places of the CLS tokens among the N
    at::Tensor sequence_of;              ///< (N) int64, the sequence a token belongs to
    at::Tensor start_labels;             ///< (B) int64, first token of the answer within its sequence
    at::Tensor end_labels;               ///< (B) int64, last token of the answer within its sequence
    at::Tensor no_answer;                ///< (B) int64, 1 = no answer

    std::int64_t sequences() const { return static_cast<std::int64_t>(examples.size()); }
    std::int64_t tokens() const { return starts.back(); }
    std::int64_t longest() const;  ///< tokens of the longest sequence

    /// The same batch in the memory of `device`.
    Batch to(at::Device device) const;
};

/// The features with the numbers in `which`, in that order, as a batch in host memory.
Batch make_batch(const Features& features, std::span<const std::int64_t> which);

}  // namespace bv
