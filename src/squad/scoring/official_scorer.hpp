#pragma once

#include <optional>
#include <span>

#include <nlohmann/json.hpp>

#include "squad/features/features.hpp"
#include "squad/scoring/prediction_files.hpp"

namespace bv {

/// The official SQuAD 2.0 scores (evaluate-v2.0.py, Rajpurkar et al. 2018), with its field names in its
/// order; all scores in percent, totals in questions:
///   exact, f1, total                    questions with a prediction
///   HasAns_*, NoAns_*                   those with, and without, gold answers
///   best_exact, best_exact_thresh, ...  by the best threshold (only with `none_scores`); 0 where
///                                       no threshold beats answering "none" everywhere
///   pr_exact_ap, pr_f1_ap, pr_oracle_ap average precisions (only with `none_scores` and an answerable
///   question)
/// A question whose `none_scores` value exceeds `threshold` counts as answered "none". A question without a
/// prediction is named in a warning and left out (the official script stops there with a KeyError). Throws
/// Error when no question has a prediction, an id occurs twice, or a predicted question has no value in
/// `none_scores`.
nlohmann::ordered_json official_scores(std::span<const Question> questions, const PredictedTexts& predictions,
                                       const std::optional<NoAnswerScores>& none_scores,
                                       double threshold = 1.0);

}  // namespace bv
