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
    batch.starts.push_back(0);
    std::vector<std::int64_t> start, end, no_answer;
    for (std::size_t b = 0; b < rows.size(); ++b) {
        batch.examples.push_back(static_cast<std::int64_t>(b));
        const std::int64_t first = batch.starts.back();
        batch.starts.push_back(first + rows[b]);
        start.push_back(b % 3 == 0 ? first : first + rows[b] / 2);
        end.push_back(b % 3 == 0 ? first : first + rows[b] - 1);
        no_answer.push_back(b % 3 == 0 ? 1 : 0);
    }
    batch.states = at::randn({states, batch.rows(), hidden_size});
    batch.start_labels = at::tensor(start, at::kLong);
    batch.end_labels = at::tensor(end, at::kLong);
    batch.no_answer = at::tensor(no_answer, at::kLong);
    return batch;
}

/// The sequence `b` of `batch` alone.
inline StateBatch alone(const StateBatch& batch, std::int64_t b) {
    const auto i = static_cast<std::size_t>(b);
    const std::int64_t rows = batch.starts[i + 1] - batch.starts[i];
    StateBatch one;
    one.examples = {batch.examples[i]};
    one.starts = {0, rows};
    one.states = batch.states.narrow(1, batch.starts[i], rows).contiguous();
    one.start_labels = batch.start_labels.narrow(0, b, 1) - batch.starts[i];
    one.end_labels = batch.end_labels.narrow(0, b, 1) - batch.starts[i];
    one.no_answer = batch.no_answer.narrow(0, b, 1);
    return one;
}

}  // namespace bv
