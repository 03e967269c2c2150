#pragma once

#include <numeric>

#include "bert/batch.hpp"
#include "bert/config.hpp"

namespace bv {

/// Made-up features of the given lengths, ids below 50.
inline Features features_of_lengths(const std::vector<std::int64_t>& lengths) {
    Features features;
    features.starts = {0};
    for (std::size_t f = 0; f < lengths.size(); ++f) {
        for (std::int64_t t = 0; t < lengths[f]; ++t) {
            features.ids.push_back(
                static_cast<std::int32_t>((7 * t + 13 * static_cast<std::int64_t>(f) + 1) % 50));
            features.segments.push_back(t > lengths[f] / 2 ? 1 : 0);
        }
        features.starts.push_back(features.starts.back() + lengths[f]);
        features.start_label.push_back(static_cast<std::int32_t>(f % 2 == 0 ? lengths[f] / 2 : 0));
        features.end_label.push_back(static_cast<std::int32_t>(f % 2 == 0 ? lengths[f] - 2 : 0));
        features.question_of.push_back(static_cast<std::int64_t>(f));
    }
    return features;
}

inline Batch batch_of(const Features& features, const std::vector<std::int64_t>& which) {
    return make_batch(features, which);
}

/// A BERT of 2 layers and 24 wide.
inline BertConfig small_config() {
    BertConfig config;
    config.hidden_size = 24;
    config.layers = 2;
    config.heads = 3;
    config.intermediate_size = 40;
    config.vocabulary = 50;
    config.positions = 64;
    config.initializer_range = 0.2;
    return config;
}

}  // namespace bv
