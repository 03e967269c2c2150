#include "squad/features/features_part.hpp"

#include "core/error.hpp"

namespace bv {

Features part_of(const Features& features, const std::vector<bool>& questions) {
    BV_EXPECT(questions.size() == features.questions.size());
    Features part;
    part.settings = features.settings;
    part.labelled = features.labelled;
    part.contexts = features.contexts;
    std::vector<std::int64_t> place_of(questions.size());  // place of each question in the part
    for (std::size_t q = 0; q < questions.size(); ++q) {
        place_of[q] = static_cast<std::int64_t>(part.questions.size());
        if (questions[q]) part.questions.push_back(features.questions[q]);
    }
    part.starts.push_back(0);
    for (std::size_t f = 0; f < features.question_of.size(); ++f) {
        const auto question = static_cast<std::size_t>(features.question_of[f]);
        if (!questions[question]) continue;
        const auto append = [&](auto& to, const auto& from) {
            to.insert(to.end(), from.begin() + features.starts[f], from.begin() + features.starts[f + 1]);
        };
        append(part.ids, features.ids);
        append(part.segments, features.segments);
        append(part.char_begin, features.char_begin);
        append(part.char_end, features.char_end);
        append(part.byte_begin, features.byte_begin);
        append(part.byte_end, features.byte_end);
        append(part.max_context, features.max_context);
        part.starts.push_back(static_cast<std::int64_t>(part.ids.size()));
        part.start_label.push_back(features.start_label[f]);
        part.end_label.push_back(features.end_label[f]);
        part.question_of.push_back(place_of[question]);
        part.window.push_back(features.window[f]);
        part.context_token.push_back(features.context_token[f]);
    }
    return part;
}

}  // namespace bv
