#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "squad/features/features.hpp"

namespace bv {

/// Features of so many tokens each, of one unanswerable question each, whose tokens say nothing.
inline Features blank_features(const std::vector<std::int64_t>& lengths) {
    Features features;
    features.contexts = {"nothing"};
    features.starts.push_back(0);
    for (const std::int64_t tokens : lengths) {
        const auto question = static_cast<std::int64_t>(features.questions.size());
        features.starts.push_back(features.starts.back() + tokens);
        features.questions.push_back(
            {.id = std::to_string(question), .text = "", .context = 0, .answers = {}, .impossible = true});
        features.question_of.push_back(question);
        features.start_label.push_back(0);
        features.end_label.push_back(0);
        features.window.push_back(0);
        features.context_token.push_back(0);
    }
    const auto tokens = static_cast<std::size_t>(features.tokens());
    features.ids.assign(tokens, 7);
    features.segments.assign(tokens, 0);
    features.max_context.assign(tokens, 0);
    for (auto* offsets :
         {&features.char_begin, &features.char_end, &features.byte_begin, &features.byte_end}) {
        offsets->assign(tokens, kNoOffset);
    }
    return features;
}

}  // namespace bv
