#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/task.hpp"

namespace bv {

/// The hidden states of B sequences, as heads read them. In the span task a row is a token; `starts` says
/// which of the N packed rows belong to which sequence. In the classification task every sequence is one
/// row, so that N = B.
struct StateBatch {
    std::vector<std::int64_t> examples;  ///< (B) number of each sequence's feature in the features file
    std::vector<std::int64_t> starts;    ///< (B + 1) first row of each sequence; starts[B] = N
    at::Tensor states;  ///< (L, N, H); classification: the pooled output, then the CLS token of each state
    at::Tensor
        start_labels;  ///< (B) int64, row of the answer's start; without an answer its sequence's first row
    at::Tensor end_labels;  ///< (B) int64, last row of the answer; without an answer its sequence's first row
    at::Tensor no_answer;   ///< (B) int64, classification label: 1 = no answer

    std::int64_t sequences() const { return static_cast<std::int64_t>(examples.size()); }
    std::int64_t rows() const { return starts.empty() ? 0 : starts.back(); }

    /// The same sequences, but only the `count` states from state `first` on. They share the memory.
    StateBatch with_states(std::int64_t first, std::int64_t count) const;
};

/// The loss of each head's `logits` (K, N, 2), SUMMED over the sequences of the batch: (K). Span: the cross
/// entropy of the start plus that of the end, each over the rows of the sequence. Classification: the cross
/// entropy of the two classes.
at::Tensor head_loss(Task task, const StateBatch& batch, const at::Tensor& logits);

}  // namespace bv
