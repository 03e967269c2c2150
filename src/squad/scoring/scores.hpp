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

/// Everything a span model's logits say, and how right it is.
struct SpanScores {
    std::vector<QuestionAnswers> answers;
    nlohmann::ordered_json official;   ///< official_scorer.hpp; null where the features are unlabelled
    nlohmann::ordered_json reference;  ///< reference_scorer.hpp; null where the features are unlabelled
};

/// Answers and scores by both scorers. The official scorer sees the best spans, null odds as no-answer scores
/// and the null threshold: `exact` and `f1` are those of the answers as written, the best_* fields range over
/// all thresholds.
SpanScores score_span(const Features& features, const SpanLogits& logits, const AnswerOptions& options = {});

/// The same for several models as one (see combine): their combined log-probabilities take the place of
/// logits.
SpanScores score_span(const Features& features, std::span<const SpanLogits> models, Combine how,
                      const AnswerOptions& options = {});

/// The score objects of metrics.json from raw logits: `official` and `reference` for span logits (score_span
/// with its defaults), `classification` (class_scorer.hpp) for the others; null where the features are
/// unlabelled.
nlohmann::ordered_json score(const Features& features, const SpanLogits& logits);
nlohmann::ordered_json score(const Features& features, const ClassLogits& logits);

/// Why the official and the reference scores of the same logits can lie far apart, in one line.
inline constexpr const char* kScorersExplained =
    "official scores judge the answers as written, by SQuAD 2.0's script; reference scores follow the study "
    "of 2020, which has no threshold and answers \"none\" where the likeliest end stands before the "
    "likeliest start: the two can lie far apart";

/// One line of what `score` returned, for the log.
std::string summary(const nlohmann::ordered_json& scores);

}  // namespace bv
