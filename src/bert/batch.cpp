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

Batch Batch::to(at::Device device) const {
    Batch moved = *this;
    for (at::Tensor* tensor :
         {&moved.bounds, &moved.packing, &moved.ids, &moved.segments, &moved.positions, &moved.first_tokens,
          &moved.sequence_of, &moved.start_labels, &moved.end_labels, &moved.no_answer}) {
        *tensor = tensor->to(device);
    }
    return moved;
}

Batch make_batch(const Features& features, std::span<const std::int64_t> which) {
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
    batch.bounds = at::tensor(batch.starts, at::kInt);
    batch.packing = at::cat({at::tensor(batch.starts, at::kLong), at::tensor(batch.examples, at::kLong)});
    batch.ids = at::tensor(ids, at::kLong);
    batch.segments = at::tensor(segments, at::kLong);
    batch.positions = at::tensor(positions, at::kLong);
    batch.first_tokens = at::tensor(first_tokens, at::kLong);
    batch.sequence_of = at::tensor(sequence_of, at::kLong);
    batch.start_labels = at::tensor(start_labels, at::kLong);
    batch.end_labels = at::tensor(end_labels, at::kLong);
    batch.no_answer = at::tensor(no_answer, at::kLong);
    return batch;
}

}  // namespace bv
