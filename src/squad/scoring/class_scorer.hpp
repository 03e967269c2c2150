#pragma once

#include <cstdint>
#include <vector>

#include <nlohmann/json.hpp>

#include "squad/features/features.hpp"
#include "squad/scoring/logits.hpp"

namespace bv {

/// What a classifier says of one question.
struct QuestionClass {
    std::int64_t question = 0;    ///< index into Features::questions
    double none_probability = 0;  ///< P(no answer): the minimum over the windows
    std::int64_t window = 0;      ///< the feature with this minimum, the first of equals
    bool reference_none = false;  ///< the reference's rule: any window says "no answer"
};

/// One element for each question that has features, in the features' order.
std::vector<QuestionClass> classify_questions(const Features& features, const ClassLogits& logits);

/// Scores of "has this question no answer?" in percent: exact (accuracy) and f1 (positive = no answer) by
/// P(no answer) = the minimum over the windows, "no answer" above 1/2; reference_exact and reference_f1 by
/// the reference's rule, the maximum over the windows' hard labels (King, Benge and Jiang 2020);
/// majority_exact, the accuracy of the more frequent class; total, in questions.
/// `classes` are those of all questions of `features`, at least one.
nlohmann::ordered_json class_scores(const Features& features, const std::vector<QuestionClass>& classes);

}  // namespace bv
