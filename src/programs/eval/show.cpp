#include "programs/eval/show.hpp"

#include <algorithm>
#include <unordered_map>

#include <fmt/ranges.h>

#include "squad/scoring/official_scorer.hpp"

namespace bv {
namespace {

constexpr const char* kNoAnswer = "(no answer)";

/// Makes a text fit on one line of a terminal: control characters become spaces.
std::string one_line(std::string text) {
    std::ranges::replace_if(
        text, [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
    return text;
}

std::string answer_text(const std::string& answer) {
    return answer.empty() ? kNoAnswer : one_line(answer);
}

std::size_t shown_of(std::size_t questions, std::int64_t count) {
    return std::min(questions, static_cast<std::size_t>(count));
}

/// The question and its gold answers. An answer that occurs twice is shown once.
std::string head_of(const Question& question, bool labelled, std::size_t place, std::size_t count) {
    std::vector<std::string> golds;
    for (const Answer& answer : question.answers) {
        std::string text = one_line(answer.text);
        if (std::ranges::find(golds, text) == golds.end()) golds.push_back(std::move(text));
    }
    if (golds.empty()) golds.emplace_back(labelled ? kNoAnswer : "(not in the file)");
    return fmt::format("{} of {}, {}\n  question   {}\n  gold       {}\n", place + 1, count,
                       one_line(question.id), one_line(question.text), fmt::join(golds, " | "));
}

/// The line with a scorer's verdict on an answer. `f1` is in percent.
std::string verdict(const char* scorer, bool exact, double f1) {
    return fmt::format("  {:<10} {}, F1 {:.2f}\n", scorer, exact ? "exact match" : "no exact match", f1);
}

/// The official scorer's verdict on an answer. "None" by a threshold is wrong where the question has an
/// answer, even if the answer's text is nothing after normalisation; `by_text` is the verdict on this text.
std::string official_verdict(const Question& question, bool says_none, const OfficialVerdict& by_text) {
    const bool right = question.answers.empty();
    const OfficialVerdict official = says_none ? OfficialVerdict{right, right ? 1.0 : 0.0} : by_text;
    return verdict("official", official.exact, 100 * official.f1);
}

std::string class_line(const char* rule, bool says_none, const Question& question, bool labelled,
                       const std::string& why) {
    const char* right = says_none == question.answers.empty() ? ": right" : ": wrong";
    return fmt::format("  {:<10} {}{}{}\n", rule,
                       says_none ? "no answer (class 1)" : "has an answer (class 0)", why,
                       labelled ? right : "");
}

}  // namespace

std::string show_span(const Features& features, const SpanScores& scores, std::int64_t count) {
    const std::size_t shown = shown_of(scores.answers.size(), count);
    std::string text;
    for (std::size_t i = 0; i < shown; ++i) {
        const QuestionAnswers& own = scores.answers[i];
        const Question& question = features.questions[static_cast<std::size_t>(own.question)];
        const std::string answer = own.text(scores.options.null_threshold);
        text += head_of(question, features.labelled, i, shown);
        text += fmt::format("  predicted  {} (null odds {:.2f}{})\n", answer_text(answer), own.null_odds,
                            answer.empty() ? "; best span: " + one_line(own.span_text()) : "");
        if (features.labelled) {
            const WordpieceVerdict& reference = scores.reference_verdicts[i].best;
            text += official_verdict(question, own.is_none(scores.options.null_threshold),
                                     scores.verdicts[i].best);
            text += verdict("reference", reference.exact, 100 * reference.f1);
        }
        text += "\n";
    }
    return text;
}

std::string show_classes(const Features& features, const std::vector<QuestionClass>& classes,
                         std::int64_t count) {
    const std::size_t shown = shown_of(classes.size(), count);
    std::string text;
    for (std::size_t i = 0; i < shown; ++i) {
        const QuestionClass& own = classes[i];
        const Question& question = features.questions[static_cast<std::size_t>(own.question)];
        text += head_of(question, features.labelled, i, shown);
        text += class_line("predicted", own.none_probability > 0.5, question, features.labelled,
                           fmt::format(", P(no answer) = {:.3f}", own.none_probability));
        text += class_line("reference", own.reference_none, question, features.labelled, "") + "\n";
    }
    return text;
}

std::string show_predictions(const Dataset& dataset, const PredictedTexts& predictions,
                             const std::optional<NoAnswerScores>& none_scores, double threshold,
                             std::int64_t count) {
    const std::size_t shown = shown_of(dataset.questions.size(), count);
    std::unordered_map<std::string_view, const std::string*> text_of;
    for (const auto& [id, answer] : predictions) text_of.emplace(id, &answer);
    std::unordered_map<std::string_view, double> none_score_of;
    if (none_scores) none_score_of.insert(none_scores->begin(), none_scores->end());
    std::string text;
    for (std::size_t i = 0; i < shown; ++i) {
        const Question& question = dataset.questions[i];
        text += head_of(question, dataset.labelled, i, shown);
        if (const auto found = text_of.find(question.id); found != text_of.end()) {
            const std::string& answer = *found->second;
            const auto none_score = none_score_of.find(question.id);
            const bool scored = none_score != none_score_of.end();
            const bool says_none = scored && none_score->second > threshold;
            text += fmt::format("  predicted  {}", says_none ? kNoAnswer : answer_text(answer));
            if (scored) text += fmt::format(" (score of \"none\" {:.3f}", none_score->second);
            if (says_none && !answer.empty()) text += "; text in the file: " + one_line(answer);
            text += scored ? ")\n" : "\n";
            text += official_verdict(question, says_none, GoldAnswers(question).judge(answer));
        } else {
            text += "  predicted  (not in the file)\n";
        }
        text += "\n";
    }
    return text;
}

}  // namespace bv
