#include "squad/scoring/reference_scorer.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "squad/scoring/question_windows.hpp"
#include "squad/scoring/word_overlap.hpp"

namespace bv {
namespace {

std::size_t at(std::int64_t index) {
    return static_cast<std::size_t>(index);
}

/// The place of a token in the question or in the whole context. It is the same in every window of the
/// question.
struct Place {
    bool in_context = false;
    std::int64_t number = 0;

    bool operator==(const Place&) const = default;
};

Place place_of(const Features& features, std::int64_t window, std::int64_t token) {
    const std::int64_t base = features.starts[at(window)];
    if (features.char_begin[at(base + token)] == kNoOffset) {
        // CLS and question have the same place in every window; the last SEP has a place of its own.
        const bool closing = token + 1 == features.tokens_of(window);
        return {false, closing ? -1 : token};
    }
    return {true, token + features.context_token[at(window)]};
}

/// A window's likeliest start and end, as tokens within it.
struct Choice {
    std::int64_t window = 0;
    std::int64_t start = 0;
    std::int64_t end = 0;
    float score = 0;  ///< logarithm of the product of the two probabilities
};

/// The likeliest token of a window, without the token at the place `without`; no value if no other token is
/// left.
std::optional<std::int64_t> likeliest(const Features& features, const std::vector<float>& values,
                                      std::int64_t window, const std::optional<Place>& without) {
    const std::int64_t base = features.starts[at(window)];
    std::optional<std::int64_t> best;
    for (std::int64_t token = 0; token < features.tokens_of(window); ++token) {
        if (best && values[at(base + token)] <= values[at(base + *best)]) continue;
        if (without && place_of(features, window, token) == *without) continue;
        best = token;
    }
    return best;
}

std::optional<Choice> choose(const Features& features, const SpanLogits& values,
                             const QuestionWindows& windows, const std::optional<Place>& without_start,
                             const std::optional<Place>& without_end) {
    std::optional<Choice> best;
    for (std::int64_t window = windows.first; window < windows.last; ++window) {
        const auto start = likeliest(features, values.start, window, without_start);
        const auto end = likeliest(features, values.end, window, without_end);
        if (!start || !end) continue;
        const std::int64_t base = features.starts[at(window)];
        const float score = values.start[at(base + *start)] + values.end[at(base + *end)];
        if (!best || score > best->score) best = Choice{window, *start, *end, score};
    }
    return best;
}

Wordpieces wordpieces(const Features& features, const std::optional<Choice>& choice) {
    if (!choice || choice->start == 0 || choice->end < choice->start) return {};
    const auto first = features.ids.begin() + features.starts[at(choice->window)];
    return {first + choice->start, first + choice->end + 1};
}

ReferenceAnswer answer(const Features& features, const SpanLogits& values, const QuestionWindows& windows) {
    const auto best = choose(features, values, windows, {}, {});
    BV_EXPECT(best.has_value());
    const auto second = choose(features, values, windows, place_of(features, best->window, best->start),
                               place_of(features, best->window, best->end));
    ReferenceAnswer result{windows.question, wordpieces(features, best), wordpieces(features, second),
                           best->window, best->start > 0 && best->end < best->start};
    if (result.best.empty()) return result;
    const std::size_t base = at(features.starts[at(best->window)]);
    const auto inside = [](std::int32_t offset) { return offset == kNoOffset ? kOutside : offset; };
    result.begin = inside(features.char_begin[base + at(best->start)]);
    result.end = inside(features.char_end[base + at(best->end)]);
    return result;
}

/// The sums over one group of questions.
struct WordpieceSums {
    double exact = 0;
    double f1 = 0;
    std::int64_t total = 0;

    void add(const WordpieceVerdict& verdict) {
        exact += verdict.exact ? 1 : 0;
        f1 += verdict.f1;
        ++total;
    }

    void write(nlohmann::ordered_json& scores, const std::string& prefix) const {
        if (total == 0) return;
        scores[prefix + "exact"] = 100.0 * exact / static_cast<double>(total);
        scores[prefix + "f1"] = 100.0 * f1 / static_cast<double>(total);
        scores[prefix + "total"] = total;
    }
};

std::int64_t characters_in(const std::string& utf8) {
    return std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

}  // namespace

std::vector<ReferenceAnswer> reference_answers(const Features& features,
                                               const SpanLogits& log_probabilities) {
    BV_EXPECT(log_probabilities.start.size() == at(features.tokens()));
    BV_EXPECT(log_probabilities.end.size() == at(features.tokens()));
    const std::vector<QuestionWindows> questions = windows_of_questions(features);
    std::vector<ReferenceAnswer> answers(questions.size());
    parallel_for(static_cast<std::int64_t>(questions.size()), available_cores(), [&](std::int64_t q) {
        answers[at(q)] = answer(features, log_probabilities, questions[at(q)]);
    });
    return answers;
}

std::vector<Wordpieces> gold_wordpieces(const Features& features, std::int64_t first, std::int64_t last) {
    const Question& question = features.questions[at(features.question_of[at(first)])];
    std::vector<Wordpieces> golds;
    for (const Answer& answer : question.answers) {
        const std::int64_t end = answer.start + characters_in(answer.text);
        std::map<std::int64_t, std::int32_t>
            pieces;  // by place in the context, because overlapping windows repeat tokens
        for (std::int64_t window = first; window < last; ++window) {
            const std::size_t base = at(features.starts[at(window)]);
            const std::size_t stop = at(features.starts[at(window) + 1]);
            for (std::size_t i = base; i < stop; ++i) {
                if (features.char_begin[i] >= end || features.char_end[i] <= answer.start) continue;
                if (features.char_begin[i] == kNoOffset) continue;
                const auto token = static_cast<std::int64_t>(i - base);
                pieces.emplace(place_of(features, window, token).number, features.ids[i]);
            }
        }
        if (pieces.empty()) continue;
        golds.emplace_back();
        for (const auto& [place, id] : pieces) golds.back().push_back(id);
    }
    if (golds.empty()) golds.emplace_back();
    return golds;
}

WordpieceVerdict judge(const Wordpieces& answer, const std::vector<Wordpieces>& golds) {
    WordpieceVerdict verdict{std::find(golds.begin(), golds.end(), answer) != golds.end(), 0};
    for (const Wordpieces& gold : golds) verdict.f1 = std::max(verdict.f1, overlap_f1(gold, answer));
    return verdict;
}

std::vector<ReferenceVerdicts> judge(const Features& features, const std::vector<ReferenceAnswer>& answers) {
    const std::vector<QuestionWindows> windows = windows_of_questions(features);
    BV_EXPECT(answers.size() == windows.size());
    std::vector<ReferenceVerdicts> verdicts(answers.size());
    parallel_for(static_cast<std::int64_t>(answers.size()), available_cores(), [&](std::int64_t q) {
        const auto golds = gold_wordpieces(features, windows[at(q)].first, windows[at(q)].last);
        verdicts[at(q)] = {judge(answers[at(q)].best, golds), judge(answers[at(q)].second, golds)};
    });
    return verdicts;
}

nlohmann::ordered_json reference_scores(const Features& features, const std::vector<ReferenceAnswer>& answers,
                                        const std::vector<ReferenceVerdicts>& verdicts) {
    BV_EXPECT(answers.size() == verdicts.size());
    WordpieceSums all;
    WordpieceSums with_answer;
    WordpieceSums without_answer;
    WordpieceSums second_best;
    for (std::size_t q = 0; q < answers.size(); ++q) {
        const WordpieceVerdict& best = verdicts[q].best;
        all.add(best);
        const bool has_answer = !features.questions[at(answers[q].question)].answers.empty();
        (has_answer ? with_answer : without_answer).add(best);
        if (!best.exact) second_best.add(verdicts[q].second);
    }
    nlohmann::ordered_json scores = nlohmann::ordered_json::object();
    all.write(scores, "");
    with_answer.write(scores, "HasAns_");
    without_answer.write(scores, "NoAns_");
    second_best.write(scores, "second_best_");
    return scores;
}

}  // namespace bv
