#pragma once

#include <cstdint>
#include <vector>

#include <nlohmann/json.hpp>

#include "squad/features/features.hpp"
#include "squad/scoring/logits.hpp"

namespace bv {

/// A classifier's result for one question.
struct QuestionClass {
    std::int64_t question = 0;    ///< index into Features::questions
    double none_probability = 0;  ///< P(no answer): the minimum over the windows
    std::int64_t window = 0;      ///< the feature with this minimum, the first of equals
    bool reference_none = false;  ///< by the reference's rule: whether any window says "no answer"
};

/// One element for each question that has features, in the features' order.
std::vector<QuestionClass> classify_questions(const Features& features, const ClassLogits& logits);

/// The scores of the classification task in percent; "no answer" is the positive class. exact (accuracy) and
/// f1: a question has no answer if the minimum of P(no answer) over its windows is above 1/2. reference_exact
/// and reference_f1: a question has no answer if any of its windows says so, as in King, Benge and Jiang
/// 2020. majority_exact: the accuracy of always giving the more frequent class. total: the number of
/// questions. `classes` has all questions of `features`, at least one.
nlohmann::ordered_json class_scores(const Features& features, const std::vector<QuestionClass>& classes);

}  // namespace bv
