#include "programs/eval/results.hpp"

#include <variant>

#include "core/log.hpp"
#include "core/standard_streams.hpp"
#include "io/files.hpp"
#include "programs/eval/result_files.hpp"
#include "programs/eval/show.hpp"
#include "programs/shared/described_features.hpp"
#include "programs/shared/provenance.hpp"
#include "squad/scoring/disagreements.hpp"
#include "squad/scoring/prediction_files.hpp"
#include "squad/scoring/question_records.hpp"
#include "squad/scoring/scores.hpp"

namespace bv {
namespace {

using Json = nlohmann::ordered_json;

template <class Kind>
std::vector<Kind> all_of(const std::vector<Logits>& models) {
    std::vector<Kind> all;
    for (const Logits& model : models) all.push_back(std::get<Kind>(model));
    return all;
}

/// Writes the answers of a span model and adds its scores to `metrics`. Returns the text that --show prints.
std::string write_span(const EvalOptions& options, const Evaluation& evaluation, Json& metrics) {
    const Features& features = evaluation.features;
    const auto models = all_of<SpanLogits>(evaluation.models);
    AnswerOptions answers = options.answers;
    if (evaluation.threshold) answers.null_threshold = evaluation.threshold->value;
    const SpanScores scores = score_span(features, models, options.combine, answers);
    write_question_records(options.output / kQuestionRecords, records_of(features, scores));
    write_predictions(options.output, features, scores.answers, answers.null_threshold);
    metrics["answers"] = {{"n_best", answers.n_best},
                          {"max_answer_tokens", answers.max_answer_tokens},
                          {"null_threshold", answers.null_threshold}};
    if (evaluation.threshold) metrics["answers"]["threshold_from"] = evaluation.threshold->source;
    metrics.update(objects_of(scores));
    if (features.labelled) metrics["disagreements"] = counts_of(disagreements(features, scores));
    return show_span(features, scores, options.show);
}

/// Does the same for a classifier.
std::string write_classification(const EvalOptions& options, const Evaluation& evaluation, Json& metrics) {
    const Features& features = evaluation.features;
    const auto models = all_of<ClassLogits>(evaluation.models);
    const ClassLogits logits = models.size() == 1 ? models[0] : combine(models, options.combine);
    const ClassScores scores = score_classes(features, logits);
    write_question_records(options.output / kQuestionRecords, records_of(features, scores));
    NoAnswerScores none;
    for (const QuestionClass& question : scores.classes) {
        none.emplace_back(features.questions[static_cast<std::size_t>(question.question)].id,
                          question.none_probability);
    }
    write_no_answer_scores(options.output / "na_probs.json", none);
    metrics.update(objects_of(scores));
    return show_classes(features, scores.classes, options.show);
}

}  // namespace

void write_results(const EvalOptions& options, const CommandLine& line, const Evaluation& evaluation) {
    const bool span = std::holds_alternative<SpanLogits>(evaluation.models.front());
    for (std::size_t i = 0; i < evaluation.models.size(); ++i) {
        require_finite(evaluation.features, evaluation.models[i], evaluation.sources[i]);
    }
    remove_results(options.output, options.logits);
    if (evaluation.computed) {
        std::visit([&](const auto& own) { write_logits(options.output / "logits.safetensors", own); },
                   evaluation.models.front());
    }
    Json metrics{{"task", to_string(span ? Task::span : Task::classification)}};
    metrics.update(evaluation.origin);
    metrics["features"] = describe_features(options.store.empty() ? options.features : options.store,
                                            evaluation.fingerprint, evaluation.features.settings);
    const std::string shown =
        span ? write_span(options, evaluation, metrics) : write_classification(options, evaluation, metrics);
    metrics["made"] = made_by(line.program());
    write_file(options.output / "config.toml", line.resolved());
    write_file(options.output / "metrics.json", metrics.dump(2) + "\n");
    spdlog::info("{}: {}", options.output.string(), summary(metrics));
    if (span && evaluation.features.labelled) spdlog::info("{}", kScorersExplained);
    if (!shown.empty()) print_results(shown);
}

}  // namespace bv
