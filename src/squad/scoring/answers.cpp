#include "squad/scoring/answers.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <span>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "squad/scoring/question_windows.hpp"

namespace bv {
namespace {

/// A span of tokens, both ends inclusive, counted over all features. For "none" both ends are the CLS of a
/// window.
struct Span {
    std::size_t first;
    std::size_t last;
    float score;
    std::int32_t window;
    bool none;
};

/// The tokens of the `count` highest logits, highest first.
std::vector<std::size_t> highest(std::span<const float> logits, std::int64_t count) {
    std::vector<std::size_t> order(logits.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto kept = std::min(static_cast<std::size_t>(count), order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                      [&](std::size_t a, std::size_t b) {
                          return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
                      });
    order.resize(kept);
    return order;
}

/// Appends the spans of one window.
void add_spans(const Features& features, const SpanLogits& logits, const AnswerOptions& options,
               std::int64_t window, std::vector<Span>& spans) {
    const auto base = static_cast<std::size_t>(features.starts[static_cast<std::size_t>(window)]);
    const auto tokens = static_cast<std::size_t>(features.tokens_of(window));
    const auto starts = highest(std::span(logits.start).subspan(base, tokens), options.n_best);
    const auto ends = highest(std::span(logits.end).subspan(base, tokens), options.n_best);
    for (const std::size_t start : starts) {
        const std::size_t first = base + start;
        if (features.char_begin[first] == kNoOffset || features.max_context[first] == 0) continue;
        for (const std::size_t end : ends) {
            const std::size_t last = base + end;
            if (features.char_begin[last] == kNoOffset || end < start) continue;
            if (end - start + 1 > static_cast<std::size_t>(options.max_answer_tokens)) continue;
            spans.push_back({first, last, logits.start[first] + logits.end[last],
                             static_cast<std::int32_t>(window), false});
        }
    }
}

/// Keeps the `count` spans of the highest scores, highest first; equal scores stay in order.
void keep_best(std::vector<Span>& spans, std::size_t count) {
    const auto higher = [](const Span& a, const Span& b) { return a.score > b.score; };
    if (spans.size() > count) {
        std::vector<float> scores;
        for (const Span& span : spans) scores.push_back(span.score);
        const auto last = scores.begin() + static_cast<std::ptrdiff_t>(count - 1);
        std::nth_element(scores.begin(), last, scores.end(), std::greater());
        std::erase_if(spans, [least = *last](const Span& span) { return span.score < least; });
    }
    std::stable_sort(spans.begin(), spans.end(), higher);
    spans.resize(std::min(spans.size(), count));
}

/// The "none" of the window in which its score is the lowest.
Span none_of(const Features& features, const SpanLogits& logits, const QuestionWindows& windows) {
    Span lowest{};
    for (std::int64_t window = windows.first; window < windows.last; ++window) {
        const auto cls = static_cast<std::size_t>(features.starts[static_cast<std::size_t>(window)]);
        const float score = logits.start[cls] + logits.end[cls];
        if (window == windows.first || score < lowest.score) lowest = {cls, cls, score, -1, true};
    }
    return lowest;
}

void set_probabilities(std::vector<Candidate>& candidates) {
    const auto score = [](const Candidate& c) { return double{c.start_logit} + double{c.end_logit}; };
    double highest_score = score(candidates.front());
    for (const Candidate& candidate : candidates) highest_score = std::max(highest_score, score(candidate));
    double sum = 0;
    for (Candidate& candidate : candidates) {
        candidate.probability = std::exp(score(candidate) - highest_score);
        sum += candidate.probability;
    }
    for (Candidate& candidate : candidates) candidate.probability /= sum;
}

QuestionAnswers answer(const Features& features, const SpanLogits& logits, const AnswerOptions& options,
                       const QuestionWindows& windows) {
    std::vector<Span> spans;
    for (std::int64_t window = windows.first; window < windows.last; ++window) {
        add_spans(features, logits, options, window, spans);
    }
    const Span none = none_of(features, logits, windows);
    spans.push_back(none);
    keep_best(spans, static_cast<std::size_t>(options.n_best));
    const auto is_none = [](const Span& span) { return span.none; };
    if (std::none_of(spans.begin(), spans.end(), is_none)) spans.push_back(none);

    QuestionAnswers result;
    result.question = windows.question;
    const Question& question = features.questions[static_cast<std::size_t>(windows.question)];
    const std::string& context = features.contexts[static_cast<std::size_t>(question.context)];
    if (spans.size() == 1) result.n_best.push_back({"empty", 0, 0, 0});
    for (const Span& span : spans) {
        Candidate candidate{"", logits.start[span.first], logits.end[span.last], 0};
        if (!span.none) {
            const auto begin = static_cast<std::size_t>(features.byte_begin[span.first]);
            candidate.text =
                context.substr(begin, static_cast<std::size_t>(features.byte_end[span.last]) - begin);
            candidate.window = span.window;
            candidate.begin = features.char_begin[span.first];
            candidate.end = features.char_end[span.last];
        }
        result.n_best.push_back(std::move(candidate));
    }
    set_probabilities(result.n_best);
    while (result.n_best[result.best_span].text.empty()) ++result.best_span;
    const Candidate& best = result.n_best[result.best_span];
    result.null_odds = none.score - best.start_logit - best.end_logit;
    return result;
}

}  // namespace

const Candidate* QuestionAnswers::second_span() const {
    const auto spans = std::span(n_best).subspan(best_span + 1);
    const auto found = std::ranges::find_if(spans, [](const Candidate& one) { return !one.text.empty(); });
    return found == spans.end() ? nullptr : &*found;
}

const Candidate& QuestionAnswers::none() const {
    return *std::ranges::find_if(n_best, [](const Candidate& one) { return one.text.empty(); });
}

std::vector<QuestionAnswers> find_answers(const Features& features, const SpanLogits& logits,
                                          const AnswerOptions& options) {
    BV_EXPECT(logits.start.size() == static_cast<std::size_t>(features.tokens()));
    BV_EXPECT(logits.end.size() == logits.start.size());
    BV_EXPECT(options.n_best > 0);
    const std::vector<QuestionWindows> questions = windows_of_questions(features);
    std::vector<QuestionAnswers> answers(questions.size());
    parallel_for(static_cast<std::int64_t>(questions.size()), available_cores(), [&](std::int64_t q) {
        const auto index = static_cast<std::size_t>(q);
        answers[index] = answer(features, logits, options, questions[index]);
    });
    return answers;
}

}  // namespace bv
