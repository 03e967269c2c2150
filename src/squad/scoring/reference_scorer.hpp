#pragma once

#include <cstdint>
#include <vector>

#include <nlohmann/json.hpp>

#include "squad/features/features.hpp"
#include "squad/scoring/logits.hpp"

namespace bv {

/// An answer in the form of the reference work: wordpiece ids; empty = "none".
using Wordpieces = std::vector<std::int32_t>;

/// Best and second-best answer of one question.
struct ReferenceAnswer {
    std::int64_t question = 0;  ///< index into Features::questions
    Wordpieces best;
    Wordpieces second;
    std::int64_t window = 0;  ///< the feature that gives the best answer
    bool reversed = false;    ///< the best answer is "none" since its end stands before its start
    /// Characters of the best answer in the context, end exclusive; both are kNoOffset for "none". An answer
    /// may begin or end with a token outside the context, whose place is kOutside.
    std::int32_t begin = kNoOffset;
    std::int32_t end = kNoOffset;
};
inline constexpr std::int32_t kOutside = -2;

/// The answers by the reference work's rule (King, Benge and Jiang 2020), from log-probabilities over each
/// window's real tokens (see probabilities.hpp). In a window the answer runs from the likeliest start to the
/// likeliest end; its score is the product of the two probabilities; the window with the highest score gives
/// the answer, and of equal windows the first. A start at CLS, or an end before the start, means "none". For
/// the second-best answer the start and end of the best one are left out in every window that holds these
/// tokens, and the rest is scored again. Uses all available cores.
std::vector<ReferenceAnswer> reference_answers(const Features& features, const SpanLogits& log_probabilities);

/// The gold answers of the question whose windows are features [first, last), as wordpieces: for each answer
/// all context tokens of these windows that overlap its characters [start, start + length). If there is no
/// answer, or none overlaps a token, the result is one empty list.
std::vector<Wordpieces> gold_wordpieces(const Features& features, std::int64_t first, std::int64_t last);

/// The scores of one answer.
struct WordpieceVerdict {
    bool exact = false;  ///< it is one of the gold answers
    double f1 = 0;       ///< the largest overlap with one of them, in [0, 1]
};

/// Compares an answer with the gold answers of its question, of which there is at least one (maybe empty).
WordpieceVerdict judge(const Wordpieces& answer, const std::vector<Wordpieces>& golds);

/// The verdicts on both answers of a question.
struct ReferenceVerdicts {
    WordpieceVerdict best;
    WordpieceVerdict second;
};

/// One element for each of `answers`, which are those of all questions of `features`. Uses all available
/// cores.
std::vector<ReferenceVerdicts> judge(const Features& features, const std::vector<ReferenceAnswer>& answers);

/// The reference work's scores in percent: exact (the same wordpieces), f1 (overlap with the gold answer that
/// fits best), total (number of questions), and the same with HasAns_ and NoAns_. second_best_exact,
/// second_best_f1 and second_best_total are about the questions whose best answer is not exact. Texts are not
/// normalised, and there is no null threshold. `verdicts` are those on `answers`.
nlohmann::ordered_json reference_scores(const Features& features, const std::vector<ReferenceAnswer>& answers,
                                        const std::vector<ReferenceVerdicts>& verdicts);

}  // namespace bv
