#include "programs/eval/results.hpp"

#include <variant>

#include "core/log.hpp"
#include "core/standard_streams.hpp"
#include "io/files.hpp"
#include "programs/eval/show.hpp"
#include "squad/scoring/class_scorer.hpp"
#include "squad/scoring/prediction_files.hpp"
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

/// Writes the answers, and adds the scores to `metrics`. Returns what --show prints.
std::string write_span(const EvalOptions& options, const Evaluation& evaluation, Json& metrics) {
    const Features& features = evaluation.features;
    const auto models = all_of<SpanLogits>(evaluation.models);
    const Combine how = options.combine;
    SpanScores scores = score_span(features, models, how, options.answers);
    write_predictions(options.output, features, scores.answers, options.answers.null_threshold);
    metrics["answers"] = {{"n_best", options.answers.n_best},
                          {"max_answer_tokens", options.answers.max_answer_tokens},
                          {"null_threshold", options.answers.null_threshold}};
    metrics["official"] = std::move(scores.official);
    metrics["reference"] = std::move(scores.reference);
    if (options.show == 0) return "";
    return show_span(features, scores.answers, options.answers.null_threshold, combine(features, models, how),
                     options.show);
}

/// The same of classification.
std::string write_classification(const EvalOptions& options, const Evaluation& evaluation, Json& metrics) {
    const Features& features = evaluation.features;
    const auto models = all_of<ClassLogits>(evaluation.models);
    const ClassLogits logits = models.size() == 1 ? models[0] : combine(models, options.combine);
    const std::vector<QuestionClass> classes = classify_questions(features, logits);
    NoAnswerScores none;
    for (const QuestionClass& question : classes) {
        none.emplace_back(features.questions[static_cast<std::size_t>(question.question)].id,
                          question.none_probability);
    }
    write_no_answer_scores(options.output / "na_probs.json", none);
    metrics.update(score(features, logits));
    return show_classes(features, classes, options.show);
}

}  // namespace

void write_results(const EvalOptions& options, const CommandLine& line, const Evaluation& evaluation) {
    const bool span = std::holds_alternative<SpanLogits>(evaluation.models.front());
    for (std::size_t i = 0; i < evaluation.models.size(); ++i) {
        require_finite(evaluation.features, evaluation.models[i], evaluation.sources[i]);
    }
    remove_file(options.output / "metrics.json");  // of an earlier run: it marks what is whole
    if (evaluation.computed) {
        std::visit([&](const auto& own) { write_logits(options.output / "logits.safetensors", own); },
                   evaluation.models.front());
    }
    Json metrics{{"task", to_string(span ? Task::span : Task::classification)}};
    metrics.update(evaluation.origin);
    metrics["features"] =
        source_of(options.store.empty() ? options.features : options.store, evaluation.fingerprint);
    const std::string shown =
        span ? write_span(options, evaluation, metrics) : write_classification(options, evaluation, metrics);
    write_file(options.output / "config.toml", line.resolved());
    write_file(options.output / "metrics.json", metrics.dump(2) + "\n");
    spdlog::info("{}: {}", options.output.string(), summary(metrics));
    if (span && evaluation.features.labelled) spdlog::info("{}", kScorersExplained);
    if (!shown.empty()) print_results(shown);
}

}  // namespace bv
