#pragma once

#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "squad/features/features.hpp"
#include "squad/scoring/answers.hpp"
#include "squad/scoring/logits.hpp"
#include "squad/scoring/probabilities.hpp"

namespace bv {

/// The answers that a span model's logits give, and their scores.
struct SpanScores {
    std::vector<QuestionAnswers> answers;
    nlohmann::ordered_json official;   ///< official_scorer.hpp; null where the features are unlabelled
    nlohmann::ordered_json reference;  ///< reference_scorer.hpp; null where the features are unlabelled
};

/// Answers and scores by both scorers. The official scorer gets the best spans, the null odds as no-answer
/// scores, and the null threshold. So its `exact` and `f1` are those of the answers as written, and its
/// best_* fields are those of the best threshold.
SpanScores score_span(const Features& features, const SpanLogits& logits, const AnswerOptions& options = {});

/// The same for several models together: the combined log-probabilities (see combine) take the place of the
/// logits.
SpanScores score_span(const Features& features, std::span<const SpanLogits> models, Combine how,
                      const AnswerOptions& options = {});

/// The scores in metrics.json, from raw logits: `official` and `reference` for span logits (score_span with
/// its defaults), `classification` (class_scorer.hpp) for class logits. Null if the features are unlabelled.
nlohmann::ordered_json score(const Features& features, const SpanLogits& logits);
nlohmann::ordered_json score(const Features& features, const ClassLogits& logits);

/// One line that says why the official and the reference scores of the same logits can differ much.
inline constexpr const char* kScorersExplained =
    "official scores are those of SQuAD 2.0's script for the answers as written; reference scores follow the "
    "study of 2020, which has no threshold and answers \"none\" if the likeliest end stands before the "
    "likeliest start: the two can differ much";

/// One line for the log about the scores that `score` returned.
std::string summary(const nlohmann::ordered_json& scores);

}  // namespace bv
