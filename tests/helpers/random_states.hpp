#pragma once

#include <cstdint>
#include <vector>

#include <ATen/ATen.h>

#include "heads/blocks/state_batch.hpp"

namespace bv {

/// Random states (L, N, H) of sequences with so many rows each; a label in each sequence, every third one
/// none.
inline StateBatch random_states(std::int64_t states, std::int64_t hidden_size,
                                const std::vector<std::int64_t>& rows) {
    at::manual_seed(7);
    StateBatch batch;
    std::vector<std::int64_t> examples, start, end, no_answer;
    for (std::size_t b = 0; b < rows.size(); ++b) {
        examples.push_back(static_cast<std::int64_t>(b));
        start.push_back(b % 3 == 0 ? 0 : rows[b] / 2);
        end.push_back(b % 3 == 0 ? 0 : rows[b] - 1);
        no_answer.push_back(b % 3 == 0 ? 1 : 0);
    }
    PackedSequences packed = pack(examples, rows);
    packed.start_labels = at::tensor(start, at::kLong);
    packed.end_labels = at::tensor(end, at::kLong);
    packed.no_answer = at::tensor(no_answer, at::kLong);
    batch.packed = std::make_shared<PackedSequences>(std::move(packed));
    batch.states = at::randn({states, batch.rows(), hidden_size});
    return batch;
}

/// The sequence `b` of `batch` alone.
inline StateBatch alone(const StateBatch& batch, std::int64_t b) {
    const auto i = static_cast<std::size_t>(b);
    const std::vector<std::int64_t> rows{batch.packed->rows_of(i)};
    PackedSequences packed = pack({batch.packed->examples[i]}, rows);
    packed.start_labels = batch.packed->start_labels.narrow(0, b, 1);
    packed.end_labels = batch.packed->end_labels.narrow(0, b, 1);
    packed.no_answer = batch.packed->no_answer.narrow(0, b, 1);
    StateBatch one;
    one.packed = std::make_shared<PackedSequences>(std::move(packed));
    one.states = batch.states.narrow(1, batch.packed->starts[i], rows[0]).contiguous();
    return one;
}

}  // namespace bv
