#include "bert/batch.hpp"

#include <vector>

#include <ATen/ATen.h>

namespace bv {

Batch Batch::to(at::Device device) const {
    Batch moved = *this;
    moved.packed = std::make_shared<PackedSequences>(packed->to(device));
    for (at::Tensor* tensor : {&moved.ids, &moved.segments, &moved.positions, &moved.sequence_of})
        *tensor = tensor->to(device);
    return moved;
}

PackedSequences pack_features(const Features& features, std::span<const std::int64_t> which) {
    std::vector<std::int64_t> lengths, start_labels, end_labels, no_answer;
    for (const std::int64_t f : which) {
        const auto feature = static_cast<std::size_t>(f);
        lengths.push_back(features.tokens_of(f));
        start_labels.push_back(features.start_label[feature]);
        end_labels.push_back(features.end_label[feature]);
        no_answer.push_back(features.no_answer(f) ? 1 : 0);
    }
    PackedSequences packed = pack(std::vector<std::int64_t>(which.begin(), which.end()), lengths);
    packed.start_labels = at::tensor(start_labels, at::kLong);
    packed.end_labels = at::tensor(end_labels, at::kLong);
    packed.no_answer = at::tensor(no_answer, at::kLong);
    return packed;
}

Batch make_batch(const Features& features, std::span<const std::int64_t> which) {
    Batch batch;
    batch.packed = std::make_shared<PackedSequences>(pack_features(features, which));
    std::vector<std::int64_t> ids, segments, positions, sequence_of;
    for (std::size_t b = 0; b < which.size(); ++b) {
        const auto feature = static_cast<std::size_t>(which[b]);
        const auto first = static_cast<std::ptrdiff_t>(features.starts[feature]);
        const auto last = static_cast<std::ptrdiff_t>(features.starts[feature + 1]);
        ids.insert(ids.end(), features.ids.begin() + first, features.ids.begin() + last);
        segments.insert(segments.end(), features.segments.begin() + first, features.segments.begin() + last);
        for (std::ptrdiff_t t = first; t < last; ++t) positions.push_back(t - first);
        sequence_of.insert(sequence_of.end(), static_cast<std::size_t>(last - first),
                           static_cast<std::int64_t>(b));
    }
    batch.ids = at::tensor(ids, at::kLong);
    batch.segments = at::tensor(segments, at::kLong);
    batch.positions = at::tensor(positions, at::kLong);
    batch.sequence_of = at::tensor(sequence_of, at::kLong);
    return batch;
}

}  // namespace bv
