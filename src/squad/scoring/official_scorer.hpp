#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "squad/features/features.hpp"
#include "squad/scoring/prediction_files.hpp"

namespace bv {

/// How right an answer is by the official rule: the best over the gold answers.
struct OfficialVerdict {
    bool exact = false;  ///< its normalized text is that of a gold answer
    double f1 = 0;       ///< the overlap of their words, in [0, 1]
};

/// The gold answers of a question, normalized once, to judge several answers by.
class GoldAnswers {
  public:
    explicit GoldAnswers(const Question& question);

    /// Judges an answer, "" = none.
    OfficialVerdict judge(const std::string& answer) const;

  private:
    struct Gold {
        std::string text;
        std::vector<std::string> words;
    };
    std::vector<Gold> golds_;
};

/// What the official scores are sums over.
struct ScoredAnswer {
    bool has_answer = false;  ///< the question has gold answers
    bool says_none = false;   ///< the answer is "none"
    OfficialVerdict verdict = {};
    std::optional<double> none_score = {};  ///< what speaks for "none"; all answers have it, or no answer
    std::size_t none_place = 0;             ///< equal none scores are taken in this order
};

/// The official SQuAD 2.0 scores (evaluate-v2.0.py, Rajpurkar et al. 2018), with its field names in its
/// order; all scores in percent, totals in questions:
///   exact, f1, total                    questions with a prediction
///   HasAns_*, NoAns_*                   those with, and without, gold answers
///   best_exact, best_exact_thresh, ...  by the best threshold (only with `none_scores`); 0 where
///                                       no threshold beats answering "none" everywhere
///   pr_exact_ap, pr_f1_ap, pr_oracle_ap average precisions (only with `none_scores` and an answerable
///   question)
/// The data set has `answerable` questions with gold answers, and `unanswerable` without.
nlohmann::ordered_json official_scores(std::span<const ScoredAnswer> answers, std::int64_t answerable,
                                       std::int64_t unanswerable, double threshold);

/// The same scores of predictions by question id.
/// A question whose `none_scores` value exceeds `threshold` counts as answered "none". A question without a
/// prediction is named in a warning and left out (the official script stops there with a KeyError). Throws
/// Error when no question has a prediction, an id occurs twice, or a predicted question has no value in
/// `none_scores`.
nlohmann::ordered_json official_scores(std::span<const Question> questions, const PredictedTexts& predictions,
                                       const std::optional<NoAnswerScores>& none_scores,
                                       double threshold = 1.0);

}  // namespace bv
