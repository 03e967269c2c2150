#pragma once

#include <array>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/words.hpp"
#include "squad/features/features.hpp"
#include "squad/scoring/scores.hpp"

namespace bv {

/// Why the two scorers call the same logits right and wrong (EM): the first of these reasons that holds.
/// - reversed: the reference rule answers "none" because the likeliest end stands before the likeliest start;
///   the official answer is a span.
/// - threshold: one of the two answers is "none", the other is a span.
/// - gold: both are "none", but no token of the gold answer is in the features.
/// - normalisation: both answers are the same span, or the same words to the official scorer, which compares
///   normalized words where the reference compares wordpieces.
/// - window: the two answers come from different windows.
/// - span: they are different spans of one window.
enum class Disagreement { none, reversed, threshold, gold, normalisation, window, span };

template <>
struct Words<Disagreement> {
    static constexpr std::string_view kKind = "reason of disagreement";
    static constexpr std::array<std::string_view, 7> kWords{"none",          "reversed", "threshold", "gold",
                                                            "normalisation", "window",   "span"};
};

/// One element for each question of `scores`, which are labelled and of `features`. The official answer is
/// the one as given: "none" where null odds are above the threshold.
std::vector<Disagreement> disagreements(const Features& features, const SpanScores& scores);

/// How many questions there are for each reason, by its word, and in "total".
nlohmann::ordered_json counts_of(const std::vector<Disagreement>& reasons);

}  // namespace bv
