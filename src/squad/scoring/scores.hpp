#pragma once

#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "squad/features/features.hpp"
#include "squad/scoring/answers.hpp"
#include "squad/scoring/class_scorer.hpp"
#include "squad/scoring/logits.hpp"
#include "squad/scoring/official_scorer.hpp"
#include "squad/scoring/probabilities.hpp"
#include "squad/scoring/reference_scorer.hpp"

namespace bv {

/// The official verdicts on the two best spans of a question.
struct SpanVerdicts {
    OfficialVerdict best;
    OfficialVerdict second;  ///< without a second span: not exact, F1 0
};

/// The answers that a span model's logits give, and their scores. Each list has an element for each question
/// that has features, in the features' order; the verdicts are empty if the features are unlabelled.
struct SpanScores {
    std::string features;  ///< fingerprint of the features
    AnswerOptions options;
    std::vector<QuestionAnswers> answers;
    std::vector<SpanVerdicts> verdicts;
    std::vector<ReferenceAnswer> reference_answers;
    std::vector<ReferenceVerdicts> reference_verdicts;
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

/// The classes that a classifier's logits give, and their scores.
struct ClassScores {
    std::string features;  ///< fingerprint of the features
    std::vector<QuestionClass> classes;
    nlohmann::ordered_json classification;  ///< class_scorer.hpp; null where the features are unlabelled
};

ClassScores score_classes(const Features& features, const ClassLogits& logits);

/// The score objects of metrics.json: `official` and `reference` of a span model, `classification` of a
/// classifier.
nlohmann::ordered_json objects_of(const SpanScores& scores);
nlohmann::ordered_json objects_of(const ClassScores& scores);

/// The same from raw logits (of score_span with its defaults).
nlohmann::ordered_json score(const Features& features, const SpanLogits& logits);
nlohmann::ordered_json score(const Features& features, const ClassLogits& logits);

/// Why the official and the reference scores of the same logits can differ by much, in one line.
inline constexpr const char* kScorersExplained =
    "Official scores judge the answers as written, by the rules of SQuAD 2.0's script. Reference scores "
    "follow the study of 2020: it has no threshold, and its answer is \"none\" if the likeliest end stands "
    "before the likeliest start. The two can differ by much.";

/// One line for the log about the scores that `score` returned.
std::string summary(const nlohmann::ordered_json& scores);

}  // namespace bv
