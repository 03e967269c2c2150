#include "squad/scoring/scores.hpp"

#include <string_view>

#include "core/log.hpp"
#include "core/parallel.hpp"

namespace bv {
namespace {

std::vector<SpanVerdicts> verdicts_on(const Features& features, const std::vector<QuestionAnswers>& answers) {
    std::vector<SpanVerdicts> verdicts(answers.size());
    parallel_for(static_cast<std::int64_t>(answers.size()), available_cores(), [&](std::int64_t q) {
        const QuestionAnswers& own = answers[static_cast<std::size_t>(q)];
        const GoldAnswers golds(features.questions[static_cast<std::size_t>(own.question)]);
        SpanVerdicts& both = verdicts[static_cast<std::size_t>(q)];
        both.best = golds.judge(own.span_text());
        if (const Candidate* second = own.second_span()) both.second = golds.judge(second->text);
    });
    return verdicts;
}

/// The official scores of the best spans, where null odds above the threshold answer "none".
nlohmann::ordered_json official_of(const Features& features, const SpanScores& scores) {
    std::vector<ScoredAnswer> all;
    std::int64_t answerable = 0;
    for (std::size_t q = 0; q < scores.answers.size(); ++q) {
        const QuestionAnswers& own = scores.answers[q];
        const bool has_answer = !features.questions[static_cast<std::size_t>(own.question)].answers.empty();
        answerable += has_answer ? 1 : 0;
        all.push_back({has_answer, false, scores.verdicts[q].best, own.null_odds, q});
    }
    return official_scores(all, answerable, static_cast<std::int64_t>(all.size()) - answerable,
                           scores.options.null_threshold);
}

SpanScores score_both(const Features& features, const SpanLogits& logits, const SpanLogits& log_probabilities,
                      const AnswerOptions& options) {
    SpanScores scores;
    scores.features = logits.features;
    scores.options = options;
    scores.answers = find_answers(features, logits, options);
    scores.reference_answers = reference_answers(features, log_probabilities);
    if (!features.labelled || features.count() == 0) return scores;
    if (scores.answers.size() < features.questions.size()) {
        spdlog::warn("{} of {} questions have no features and are not scored",
                     features.questions.size() - scores.answers.size(), features.questions.size());
    }
    scores.verdicts = verdicts_on(features, scores.answers);
    scores.official = official_of(features, scores);
    scores.reference_verdicts = judge(features, scores.reference_answers);
    scores.reference = reference_scores(features, scores.reference_answers, scores.reference_verdicts);
    return scores;
}

}  // namespace

SpanScores score_span(const Features& features, const SpanLogits& logits, const AnswerOptions& options) {
    return score_both(features, logits, log_softmax(features, logits), options);
}

SpanScores score_span(const Features& features, std::span<const SpanLogits> models, Combine how,
                      const AnswerOptions& options) {
    if (models.size() == 1) return score_span(features, models[0], options);
    const SpanLogits combined = combine(features, models, how);
    return score_both(features, combined, combined, options);
}

ClassScores score_classes(const Features& features, const ClassLogits& logits) {
    ClassScores scores{logits.features, classify_questions(features, logits), {}};
    if (features.labelled && features.count() > 0)
        scores.classification = class_scores(features, scores.classes);
    return scores;
}

nlohmann::ordered_json objects_of(const SpanScores& scores) {
    return {{"official", scores.official}, {"reference", scores.reference}};
}

nlohmann::ordered_json objects_of(const ClassScores& scores) {
    return {{"classification", scores.classification}};
}

nlohmann::ordered_json score(const Features& features, const SpanLogits& logits) {
    return objects_of(score_span(features, logits));
}

nlohmann::ordered_json score(const Features& features, const ClassLogits& logits) {
    return objects_of(score_classes(features, logits));
}

std::string summary(const nlohmann::ordered_json& scores) {
    std::string text;
    constexpr std::pair<const char*, const char*> kScorers[] = {
        {"official", "EM"}, {"reference", "EM"}, {"classification", "accuracy"}};
    for (const auto& [scorer, exact] : kScorers) {
        if (!scores.contains(scorer) || scores[scorer].is_null()) continue;
        text += fmt::format("{}{} {} {:.2f} F1 {:.2f}", text.empty() ? "" : ", ", scorer, exact,
                            scores[scorer]["exact"].get<double>(), scores[scorer]["f1"].get<double>());
    }
    return text.empty() ? "unlabelled" : text;
}

}  // namespace bv
