#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/task.hpp"

namespace bv {

/// The hidden states of B sequences as heads read them. A row is a token in the span task, whose N packed
/// rows belong to sequences by `starts`; in the classification task every sequence is one row, so that N = B.
struct StateBatch {
    std::vector<std::int64_t>
        examples;                      ///< (B) indices of the features they belong to, in the features' order
    std::vector<std::int64_t> starts;  ///< (B + 1) first row of each sequence; starts[B] = N
    at::Tensor states;        ///< (L, N, H); classification: the pooled output first, then each state's CLS
    at::Tensor start_labels;  ///< (B) int64, row (of N) of the answer's start; none: its sequence's first
    at::Tensor end_labels;    ///< (B) int64, row of the answer's end, inclusive
    at::Tensor no_answer;     ///< (B) int64, classification label: 1 = no answer

    std::int64_t sequences() const { return static_cast<std::int64_t>(examples.size()); }
    std::int64_t rows() const { return starts.empty() ? 0 : starts.back(); }

    /// The same sequences with `count` states from state `first` on alone, in the same memory.
    StateBatch with_states(std::int64_t first, std::int64_t count) const;
};

/// Loss of each head's `logits` (K, N, 2), SUMMED over the batch's sequences: (K). Span: cross entropy of the
/// start plus that of the end, each over the sequence's own rows; classification: cross entropy of the two
/// classes.
at::Tensor head_loss(Task task, const StateBatch& batch, const at::Tensor& logits);

}  // namespace bv
