#include "squad/scoring/disagreements.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "squad/scoring/normalized_text.hpp"
#include "squad/text/characters.hpp"

namespace bv {
namespace {

bool same_words(const std::string& context, const Candidate& official, const ReferenceAnswer& reference) {
    if (official.begin == reference.begin && official.end == reference.end) return true;
    if (reference.begin < 0 || reference.end < 0) return false;
    const auto [begin, end] =
        std::pair(static_cast<std::size_t>(reference.begin), static_cast<std::size_t>(reference.end));
    const std::string text = utf8_of(characters_of(context).substr(begin, end - begin));
    return normalized_text(official.text) == normalized_text(text);
}

/// Why the verdicts differ; `official` is the answer as given, null = none.
Disagreement reason_of(const std::string& context, const Candidate* official,
                       const ReferenceAnswer& reference) {
    const bool reference_none = reference.best.empty();
    if (official != nullptr && reference.reversed) return Disagreement::reversed;
    if ((official == nullptr) != reference_none) return Disagreement::threshold;
    if (official == nullptr) return Disagreement::gold;
    if (same_words(context, *official, reference)) return Disagreement::normalisation;
    return official->window != reference.window ? Disagreement::window : Disagreement::span;
}

}  // namespace

std::vector<Disagreement> disagreements(const Features& features, const SpanScores& scores) {
    BV_EXPECT(scores.verdicts.size() == scores.answers.size());
    std::vector<Disagreement> reasons(scores.answers.size(), Disagreement::none);
    for (std::size_t q = 0; q < reasons.size(); ++q) {
        const QuestionAnswers& own = scores.answers[q];
        const ReferenceAnswer& reference = scores.reference_answers[q];
        const Question& question = features.questions[static_cast<std::size_t>(own.question)];
        const bool none = own.is_none(scores.options.null_threshold);
        const bool right = none ? question.answers.empty() : scores.verdicts[q].best.exact;
        if (right == scores.reference_verdicts[q].best.exact) continue;
        const std::string& context = features.contexts[static_cast<std::size_t>(question.context)];
        reasons[q] = reason_of(context, none ? nullptr : &own.span(), reference);
    }
    return reasons;
}

nlohmann::ordered_json counts_of(const std::vector<Disagreement>& reasons) {
    nlohmann::ordered_json counts;
    const auto agreed = std::ranges::count(reasons, Disagreement::none);
    counts["total"] = static_cast<std::int64_t>(reasons.size()) - agreed;
    for (std::size_t reason = 1; reason < Words<Disagreement>::kWords.size(); ++reason) {
        counts[std::string(Words<Disagreement>::kWords[reason])] =
            std::ranges::count(reasons, static_cast<Disagreement>(reason));
    }
    return counts;
}

}  // namespace bv
