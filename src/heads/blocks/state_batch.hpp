#pragma once

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

#include "core/task.hpp"
#include "tensor/packed_sequences.hpp"

namespace bv {

/// The hidden states of B sequences, as heads read them. In the span task a row is a token. In the
/// classification task every sequence is one row, so that N = B.
struct StateBatch {
    std::shared_ptr<const PackedSequences> packed = std::make_shared<PackedSequences>();
    at::Tensor states;  ///< (L, N, H); classification: the pooled output, then the CLS token of each state.
                        ///< uint8 means rows in float8, (L, N, 4 + H); see tensor/float8.hpp

    std::int64_t sequences() const { return packed->sequences(); }
    std::int64_t rows() const { return packed->rows(); }

    /// The same sequences, but only the `count` states from state `first` on. They share the memory.
    StateBatch with_states(std::int64_t first, std::int64_t count) const;
};

/// The loss of each head's `logits` (K, N, 2), SUMMED over the sequences of the batch: (K). Span: the cross
/// entropy of the start plus that of the end, each over the rows of the sequence. Classification: the cross
/// entropy of the two classes.
at::Tensor head_loss(Task task, const StateBatch& batch, const at::Tensor& logits);

}  // namespace bv
