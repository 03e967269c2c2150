#pragma once

#include <cstdint>
#include <vector>

#include "squad/features/features.hpp"

namespace bv {

/// The windows of one question: features [first, last).
struct QuestionWindows {
    std::int64_t question = 0;  ///< index into Features::questions
    std::int64_t first = 0;
    std::int64_t last = 0;
};

/// One element for each question that has features, in the features' order.
inline std::vector<QuestionWindows> windows_of_questions(const Features& features) {
    std::vector<QuestionWindows> all;
    for (std::int64_t f = 0; f < features.count(); ++f) {
        const std::int64_t question = features.question_of[static_cast<std::size_t>(f)];
        if (all.empty() || all.back().question != question) all.push_back({question, f, f});
        all.back().last = f + 1;
    }
    return all;
}

}  // namespace bv
