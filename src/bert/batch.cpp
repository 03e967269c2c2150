#include "bert/batch.hpp"

#include <algorithm>

#include <ATen/ATen.h>

namespace bv {

std::int64_t Batch::longest() const {
    std::int64_t longest = 0;
    for (std::size_t b = 0; b + 1 < starts.size(); ++b)
        longest = std::max(longest, starts[b + 1] - starts[b]);
    return longest;
}

Batch make_batch(const Features& features, std::span<const std::int64_t> which, at::Device device) {
    Batch batch;
    batch.examples.assign(which.begin(), which.end());
    batch.starts.push_back(0);
    std::vector<std::int64_t> ids, segments, positions, sequence_of, first_tokens, start_labels, end_labels,
        no_answer;
    for (const std::int64_t f : which) {
        const auto feature = static_cast<std::size_t>(f);
        const auto first = static_cast<std::size_t>(features.starts[feature]);
        const auto last = static_cast<std::size_t>(features.starts[feature + 1]);
        first_tokens.push_back(batch.starts.back());
        ids.insert(ids.end(), features.ids.begin() + static_cast<std::ptrdiff_t>(first),
                   features.ids.begin() + static_cast<std::ptrdiff_t>(last));
        segments.insert(segments.end(), features.segments.begin() + static_cast<std::ptrdiff_t>(first),
                        features.segments.begin() + static_cast<std::ptrdiff_t>(last));
        for (std::size_t t = first; t < last; ++t) positions.push_back(static_cast<std::int64_t>(t - first));
        sequence_of.insert(sequence_of.end(), last - first,
                           static_cast<std::int64_t>(batch.starts.size() - 1));
        batch.starts.push_back(batch.starts.back() + static_cast<std::int64_t>(last - first));
        start_labels.push_back(features.start_label[feature]);
        end_labels.push_back(features.end_label[feature]);
        no_answer.push_back(features.no_answer(f) ? 1 : 0);
    }
    const auto put = [&](const std::vector<std::int64_t>& values) {
        return at::tensor(values, at::kLong).to(device);
    };
    batch.ids = put(ids);
    batch.segments = put(segments);
    batch.positions = put(positions);
    batch.first_tokens = put(first_tokens);
    batch.sequence_of = put(sequence_of);
    batch.start_labels = put(start_labels);
    batch.end_labels = put(end_labels);
    batch.no_answer = put(no_answer);
    return batch;
}

}  // namespace bv
