#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "squad/features/features.hpp"
#include "squad/scoring/logits.hpp"

namespace bv {

/// Settings for choosing answers; the defaults are those of Hugging Face's run_qa.
struct AnswerOptions {
    std::int64_t n_best = 20;  ///< number of starts and of ends that are tried in each window, and of answers
                               ///< kept for each question
    std::int64_t max_answer_tokens = 30;  ///< longest answer, in tokens
    double null_threshold = 0.0;          ///< if the null odds are above it, the answer is "none"

    friend bool operator==(const AnswerOptions&, const AnswerOptions&) = default;
};

/// One possible answer of a question.
struct Candidate {
    std::string text;  ///< as it stands in the context; empty = "none"
    float start_logit = 0;
    float end_logit = 0;
    double probability = 0;  ///< softmax of start + end logit over the question's candidates
    /// The feature that it came from, and its characters in the context, end exclusive. All three are -1 for
    /// "none" and for run_qa's stand-in.
    std::int32_t window = -1;
    std::int32_t begin = -1;
    std::int32_t end = -1;

    float score() const { return start_logit + end_logit; }
};

/// The answers of one question.
struct QuestionAnswers {
    std::int64_t question = 0;      ///< index into Features::questions
    std::vector<Candidate> n_best;  ///< best first; "none" is always among them
    std::size_t best_span = 0;      ///< the first of n_best that is not "none"
    float null_odds = 0;            ///< null score - score of best_span

    /// The best answer that is not "none".
    const Candidate& span() const { return n_best[best_span]; }
    const std::string& span_text() const { return span().text; }

    /// The second-best answer that is not "none"; null if there is no other.
    const Candidate* second_span() const;

    /// "None" as a candidate.
    const Candidate& none() const;

    /// Whether the answer is "none" under this threshold.
    bool is_none(double null_threshold) const { return null_odds > null_threshold; }

    /// The answer: "" (none) if null_odds > null_threshold, otherwise span_text().
    std::string text(double null_threshold) const { return is_none(null_threshold) ? "" : span_text(); }
};

/// The answers to every question that has features, in the features' order, found as run_qa's
/// postprocess_qa_predictions does. In each window, each of the n_best highest starts is combined with each
/// of the n_best highest ends. A combination counts if both tokens lie in the context, the end is not before
/// the start, the span is not too long, and no other window gives the start more context. The score of a span
/// is the sum of its two logits. The score of "none" is the lowest sum at CLS over the windows. Of equal
/// logits the earlier token wins, of equal scores the earlier window. A question without any candidate gets
/// run_qa's substitute, the text "empty" with logits 0. Uses all available cores.
std::vector<QuestionAnswers> find_answers(const Features& features, const SpanLogits& logits,
                                          const AnswerOptions& options);

}  // namespace bv
