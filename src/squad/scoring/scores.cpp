#include "squad/scoring/scores.hpp"

#include <string_view>

#include "core/log.hpp"
#include "squad/scoring/class_scorer.hpp"
#include "squad/scoring/official_scorer.hpp"
#include "squad/scoring/reference_scorer.hpp"

namespace bv {
namespace {

SpanScores score_both(const Features& features, const SpanLogits& logits, const SpanLogits& log_probabilities,
                      const AnswerOptions& options) {
    SpanScores scores;
    scores.answers = find_answers(features, logits, options);
    if (!features.labelled || features.count() == 0) return scores;
    PredictedTexts spans;
    NoAnswerScores null_odds;
    std::vector<Question> answered;  // a question without features has no answer to score
    for (const QuestionAnswers& answer : scores.answers) {
        answered.push_back(features.questions[static_cast<std::size_t>(answer.question)]);
        spans.emplace_back(answered.back().id, answer.span_text());
        null_odds.emplace_back(answered.back().id, answer.null_odds);
    }
    if (answered.size() < features.questions.size()) {
        spdlog::warn("{} of {} questions have no features and are not scored",
                     features.questions.size() - answered.size(), features.questions.size());
    }
    scores.official = official_scores(answered, spans, null_odds, options.null_threshold);
    scores.reference = reference_scores(features, log_probabilities);
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

nlohmann::ordered_json score(const Features& features, const SpanLogits& logits) {
    SpanScores scores = score_span(features, logits);
    return {{"official", std::move(scores.official)}, {"reference", std::move(scores.reference)}};
}

nlohmann::ordered_json score(const Features& features, const ClassLogits& logits) {
    nlohmann::ordered_json classes;
    if (features.labelled && features.count() > 0) classes = class_scores(features, logits);
    return {{"classification", std::move(classes)}};
}

std::string summary(const nlohmann::ordered_json& scores) {
    std::string text;
    for (const char* scorer : {"official", "reference", "classification"}) {
        if (!scores.contains(scorer) || scores[scorer].is_null()) continue;
        const char* exact = std::string_view(scorer) == "classification" ? "accuracy" : "EM";
        text += fmt::format("{}{} {} {:.2f} F1 {:.2f}", text.empty() ? "" : ", ", scorer, exact,
                            scores[scorer]["exact"].get<double>(), scores[scorer]["f1"].get<double>());
    }
    return text.empty() ? "unlabelled" : text;
}

}  // namespace bv
