#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

namespace bv {

/// B sequences laid end to end: N rows without padding. A row is a token, or the one state of a whole
/// sequence. All tensors are in the memory of one device. A batch and its dropout masks share one of these.
struct PackedSequences {
    std::vector<std::int64_t> examples;   ///< (B) number of each sequence's feature in the features file
    std::vector<std::int64_t> starts{0};  ///< (B + 1) first row of each sequence; starts[B] = N
    at::Tensor bounds;                    ///< (B + 1) int32, the same as `starts`
    at::Tensor packing;                   ///< (2 B + 1) int64, starts, then examples
    at::Tensor start_labels;              ///< (B) int64, first token of the answer, counted in its sequence
    at::Tensor end_labels;                ///< (B) int64, last token of the answer, counted in its sequence
    at::Tensor no_answer;                 ///< (B) int64, 1 = no answer

    std::int64_t sequences() const { return static_cast<std::int64_t>(examples.size()); }
    std::int64_t rows() const { return starts.back(); }
    std::int64_t rows_of(std::size_t b) const { return starts[b + 1] - starts[b]; }
    std::vector<std::int64_t> lengths() const;  ///< (B) rows of each sequence
    std::int64_t longest() const;               ///< rows of the longest sequence
    at::Tensor first_rows() const;              ///< (B) int64, `starts` without its end

    /// The same sequences, with the result of `change` in the place of each tensor.
    PackedSequences with(const std::function<at::Tensor(const at::Tensor&)>& change) const;

    /// The same sequences in the memory of `device`.
    PackedSequences to(at::Device device) const;

    /// The same sequences as features with other numbers.
    PackedSequences with_examples(std::vector<std::int64_t> others) const;

    /// The same sequences with one row each.
    PackedSequences one_row_each() const;
};

/// Sequences with `lengths[b]` rows each, in host memory. All their labels are 0.
PackedSequences pack(std::vector<std::int64_t> examples, std::span<const std::int64_t> lengths);

}  // namespace bv
