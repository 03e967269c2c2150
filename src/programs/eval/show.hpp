#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "squad/features/dataset.hpp"
#include "squad/features/features.hpp"
#include "squad/scoring/prediction_files.hpp"
#include "squad/scoring/scores.hpp"

namespace bv {

/// The text that --show prints: the first `count` questions with their gold answers, the predicted answers
/// and the verdicts of the scorers. It is empty if `count` is 0. `scores` are those of `features`.
std::string show_span(const Features& features, const SpanScores& scores, std::int64_t count);

/// `classes` are those of all questions of `features`.
std::string show_classes(const Features& features, const std::vector<QuestionClass>& classes,
                         std::int64_t count);

/// A question whose value in `none_scores` exceeds `threshold` is shown as answered "none".
std::string show_predictions(const Dataset& dataset, const PredictedTexts& predictions,
                             const std::optional<NoAnswerScores>& none_scores, double threshold,
                             std::int64_t count);

}  // namespace bv
