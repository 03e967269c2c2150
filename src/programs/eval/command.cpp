#include "programs/eval/command.hpp"

#include <optional>
#include <variant>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "bert/pretrained.hpp"
#include "comm/collective.hpp"
#include "comm/watchdog.hpp"
#include "config/command_line.hpp"
#include "core/log.hpp"
#include "heads/head_file.hpp"
#include "io/files.hpp"
#include "io/json.hpp"
#include "io/output_lock.hpp"
#include "io/paths.hpp"
#include "optim/checkpoint.hpp"
#include "programs/eval/predictions.hpp"
#include "programs/shared/bert_logits.hpp"
#include "programs/shared/precision.hpp"
#include "squad/features/features_file.hpp"
#include "squad/scoring/class_scorer.hpp"
#include "squad/scoring/prediction_files.hpp"
#include "squad/scoring/scores.hpp"
#include "states/compatibility.hpp"
#include "states/state_source.hpp"

namespace bv {
namespace {

using Json = nlohmann::ordered_json;

/// Sequences a head reads at a time.
constexpr std::int64_t kHeadBatch = 16;

/// What is to be scored, and where it came from.
struct Evaluation {
    Features features;
    std::string fingerprint;  // of the features
    std::vector<Logits> models;
    bool computed = false;  // the logits are new, not read from files
    Json origin = Json::object();
};

Json source_of(const std::filesystem::path& path, const std::string& fingerprint) {
    return {{"path", path.string()}, {"fingerprint", fingerprint}};
}

void require_mode(const EvalOptions& options) {
    const bool states = !options.store.empty() || !options.checkpoint.empty();
    const int modes = (options.head.empty() && !options.checkpoint.empty()) + !options.head.empty() +
                      !options.logits.empty() + !options.predictions.empty();
    if (modes != 1) {
        fail(
            "evaluates one thing: --checkpoint with --features, --head with --store (or with --checkpoint "
            "and "
            "--features), --logits with --features, or --predictions with --squad; {} were given",
            modes);
    }
    if (!options.head.empty() && !states)
        fail("--head needs states: --store, or --checkpoint and --features");
    if (!options.store.empty() && !(options.checkpoint.empty() && options.features.empty())) {
        fail("--store has its own features: neither --checkpoint nor --features goes with it");
    }
    if (options.store.empty() && options.predictions.empty() && options.features.empty())
        fail("--features is missing");
    if (options.predictions.empty() && options.output.empty()) fail("--output is missing");
}

/// Locks the folder of results. Throws Error where results are there already and --force does not replace
/// them.
OutputLock lock_output(const EvalOptions& options) {
    OutputLock lock = OutputLock::of_folder(options.output);
    if (!options.force && !lock.stands_alone())
        fail("{} exists already; --force replaces it", options.output.string());
    return lock;
}

Logits read_logits(const std::filesystem::path& path, const Evaluation& evaluation,
                   const std::filesystem::path& features_path) {
    Logits logits;
    std::size_t wanted = 0;
    std::size_t found = 0;
    if (task_of_logits(path) == Task::span) {
        const auto& span = logits.emplace<SpanLogits>(read_span_logits(path));
        wanted = static_cast<std::size_t>(evaluation.features.tokens());
        found = span.start.size();
    } else {
        const auto& pairs = logits.emplace<ClassLogits>(read_class_logits(path));
        wanted = 2 * static_cast<std::size_t>(evaluation.features.count());
        found = pairs.logits.size();
    }
    const std::string& features = std::visit([](const auto& own) { return own.features; }, logits);
    if (features != evaluation.fingerprint) {
        fail("{} belongs to other features ({}) than {} ({})", path.string(), features,
             features_path.string(), evaluation.fingerprint);
    }
    if (found != wanted)
        fail("{} holds {} logits, {} needs {}", path.string(), found, features_path.string(), wanted);
    return logits;
}

Evaluation evaluate_files(const EvalOptions& options) {
    Evaluation evaluation;
    evaluation.features = read_features(options.features);
    evaluation.fingerprint = evaluation.features.fingerprint();
    Json files = Json::array();
    for (const std::filesystem::path& path : options.logits) {
        evaluation.models.push_back(read_logits(path, evaluation, options.features));
        if (evaluation.models.back().index() != evaluation.models.front().index()) {
            fail("{} and {} hold logits of different tasks", options.logits.front().string(), path.string());
        }
        files.push_back(source_of(path, fingerprint(read_file(path))));
    }
    evaluation.origin["logits"] = files;
    if (files.size() > 1) evaluation.origin["combine"] = to_string(options.combine);
    return evaluation;
}

Task task_of(const EvalOptions& options, const std::optional<CheckpointInfo>& info) {
    if (!info && !options.task) {
        fail("{} has no checkpoint.json: say its task with --task span or --task classification",
             options.checkpoint.string());
    }
    if (info && options.task && info->task != *options.task) {
        fail("--task {}, but {} was fine-tuned for {}", *options.task, options.checkpoint.string(),
             info->task);
    }
    return info ? info->task : *options.task;
}

/// Collective.
Evaluation evaluate_checkpoint(const EvalOptions& options, const Communicator& ranks) {
    Compute compute = open_device(options.compute, ranks);
    Evaluation evaluation;
    std::optional<Model> model;
    ranks.agree([&] {
        const auto info = read_checkpoint(options.checkpoint);
        const Task task = task_of(options, info);
        evaluation.features = read_features(options.features);
        require_fit(evaluation.features, options.features, options.checkpoint,
                    read_bert_config(options.checkpoint));
        Json checkpoint = source_of(options.checkpoint, weights_fingerprint(options.checkpoint));
        model = Model::load(options.checkpoint, task, Use::logits);
        evaluation.fingerprint = evaluation.features.fingerprint();
        if (info) {
            evaluation.origin["epoch"] = info->epoch.text();
            checkpoint["step"] = info->step;
            checkpoint["seed"] = info->seed;
        }
        evaluation.origin["parameters"] = model->parameter_count();
        evaluation.origin["checkpoint"] = checkpoint;
    });
    choose_precision(compute, options.compute.precision, "", model->config(), ranks);
    evaluation.origin["precision"] = compute.precision_name();
    model->to(compute.device, compute.precision);
    model->freeze();
    Collective& collective = make_collective(ranks, compute.gpu());
    evaluation.models.push_back(
        predict(*model, evaluation.features, evaluation.fingerprint, ranks, collective, WhenTold::end));
    evaluation.computed = true;
    return evaluation;
}

/// A head that diverged before it had an epoch to keep has no weights.
void require_not_diverged(const std::filesystem::path& folder) {
    const std::filesystem::path metrics = folder / "metrics.json";
    if (is_there(folder / "head.json") || !is_there(metrics)) return;
    if (const auto record = read_json(metrics); record.contains("diverged")) {
        fail("{}: the training of this head diverged ({}): it has no weights to evaluate", folder.string(),
             record["diverged"].dump());
    }
}

/// Collective.
Evaluation evaluate_head(const EvalOptions& options, const Communicator& ranks) {
    Compute compute = open_device(options.compute, ranks);
    Evaluation evaluation;
    std::optional<TrainedHead> trained;
    std::unique_ptr<StateSource> source;
    std::int64_t first = 0;
    ranks.agree([&] {
        require_not_diverged(options.head);
        trained = load_head(options.head);
        const Task task = trained->head.definition().task;
        const std::vector<std::int64_t>& layers = trained->origin.layers;
        source = options.store.empty()
                     ? open_checkpoint(options.checkpoint, options.features, task, compute.device, layers)
                     : open_store(options.store, 0, layers, compute.device);
        const bool other =
            require_fit(trained->head, trained->origin, *source, options.allow_other_checkpoint);
        first = first_state(trained->head, trained->origin, source->info());
        evaluation.features = source->features();
        evaluation.fingerprint = source->info().features;
        evaluation.origin = {{"head", trained->head.definition().name},
                             {"head_folder", options.head.string()},
                             {"parameters", trained->head.parameter_count()},
                             {"epoch", trained->origin.epoch},
                             {"dev_epoch", source->info().epoch},
                             {"other_checkpoint", other},
                             {"states", source_of(source->name(), source->info().checkpoint)}};
    });
    if (options.store.empty()) {
        choose_precision(compute, options.compute.precision, "", read_bert_config(options.checkpoint), ranks);
        source->multiply_in(compute.precision);
    }
    evaluation.origin["precision"] = source->info().precision;
    trained->head.to(compute.device);
    Collective& collective = make_collective(ranks, compute.gpu());
    evaluation.models = predict_heads({{&trained->head, first}}, *source, kHeadBatch, compute.device, ranks,
                                      collective, WhenTold::end);
    evaluation.computed = true;
    return evaluation;
}

template <class Kind>
std::vector<Kind> all_of(const std::vector<Logits>& models) {
    std::vector<Kind> all;
    for (const Logits& model : models) all.push_back(std::get<Kind>(model));
    return all;
}

/// Writes the answers and adds the scores to `metrics`.
void write_span(const EvalOptions& options, const Evaluation& evaluation, Json& metrics) {
    const auto models = all_of<SpanLogits>(evaluation.models);
    SpanScores scores = score_span(evaluation.features, models, options.combine, options.answers);
    write_predictions(options.output, evaluation.features, scores.answers, options.answers.null_threshold);
    metrics["answers"] = {{"n_best", options.answers.n_best},
                          {"max_answer_tokens", options.answers.max_answer_tokens},
                          {"null_threshold", options.answers.null_threshold}};
    metrics["official"] = std::move(scores.official);
    metrics["reference"] = std::move(scores.reference);
}

void write_classification(const EvalOptions& options, const Evaluation& evaluation, Json& metrics) {
    const auto models = all_of<ClassLogits>(evaluation.models);
    const ClassLogits logits = models.size() == 1 ? models[0] : combine(models, options.combine);
    NoAnswerScores none;
    for (const QuestionClass& question : classify_questions(evaluation.features, logits)) {
        none.emplace_back(evaluation.features.questions[static_cast<std::size_t>(question.question)].id,
                          question.none_probability);
    }
    write_no_answer_scores(options.output / "na_probs.json", none);
    metrics.update(score(evaluation.features, logits));
}

void write_results(const EvalOptions& options, const CommandLine& line, const Evaluation& evaluation) {
    const bool span = std::holds_alternative<SpanLogits>(evaluation.models.front());
    for (std::size_t i = 0; i < evaluation.models.size(); ++i) {
        const std::filesystem::path& source = !options.logits.empty() ? options.logits[i]
                                              : options.head.empty()  ? options.checkpoint
                                                                      : options.head;
        require_finite(evaluation.features, evaluation.models[i], source.string());
    }
    const std::filesystem::path& features = options.store.empty() ? options.features : options.store;
    remove_file(options.output / "metrics.json");  // of an earlier run: it marks what is whole
    if (evaluation.computed) {
        std::visit([&](const auto& own) { write_logits(options.output / "logits.safetensors", own); },
                   evaluation.models.front());
    }
    Json metrics{{"task", to_string(span ? Task::span : Task::classification)}};
    metrics.update(evaluation.origin);
    metrics["features"] = source_of(features, evaluation.fingerprint);
    if (span) {
        write_span(options, evaluation, metrics);
    } else {
        write_classification(options, evaluation, metrics);
    }
    write_file(options.output / "config.toml", line.resolved());
    write_file(options.output / "metrics.json", metrics.dump(2) + "\n");
    spdlog::info("{}: {}", options.output.string(), summary(metrics));
}

}  // namespace

void EvalOptions::declare(CommandLine& line) {
    line.option("checkpoint", checkpoint, "evaluate this checkpoint (or any BERT folder, with --task)");
    line.option("task", task, "what the model does, where no checkpoint.json says it");
    const Option head_option = line.option(
        "head", head,
        "evaluate this folder of a head trained by bv_train, on the states of --store, or on those that "
        "--checkpoint makes of --features");
    line.option("store", store, "the head reads the states of this store").needs(head_option);
    line.option("allow-other-checkpoint", allow_other_checkpoint,
                "let a head read states of another checkpoint than it was trained on; metrics.json says so")
        .needs(head_option);
    line.option("logits", logits, "evaluate logits files; several are one ensemble").delimiter(',');
    line.option("combine", combine, "what an ensemble makes of its models' softmaxes at each position");
    line.option("features", features, "features file of the questions");
    const Option predictions_option =
        line.option("predictions", predictions, "score this file of answers, {\"question id\": \"answer\"}");
    const Option squad_option =
        line.option("squad", squad, "with --predictions: the SQuAD file with the gold answers");
    predictions_option.needs(squad_option);
    squad_option.needs(predictions_option);
    line.option("na-probs", na_probs, "with --predictions: {\"question id\": probability of no answer}")
        .needs(predictions_option);
    line.option("na-prob-threshold", na_prob_threshold,
                "with --na-probs: questions above it count as answered \"none\"");
    line.option("n-best", answers.n_best, "starts and ends tried per window, and answers kept per question")
        .check(at_least(1));
    line.option("max-answer-tokens", answers.max_answer_tokens, "longest answer").check(at_least(1));
    line.option("null-threshold", answers.null_threshold, "null odds above it answer \"none\"");
    line.option("output", output, "folder for results; --predictions does without");
    bv::declare(line, compute);
    line.option("force", force, "replace the results of an earlier run");
}

void eval(const EvalOptions& options, const CommandLine& line, const Communicator& ranks) {
    set_hang_timeout(options.compute.hang_timeout);
    ranks.agree([&] { require_mode(options); });
    std::optional<OutputLock> lock;
    ranks.root_only([&] {
        if (!options.output.empty()) lock.emplace(lock_output(options));
    });
    if (!options.predictions.empty()) return ranks.root_only([&] { score_predictions(options, line); });
    if (!options.logits.empty()) {
        return ranks.root_only([&] { write_results(options, line, evaluate_files(options)); });
    }
    const Evaluation evaluation =
        options.head.empty() ? evaluate_checkpoint(options, ranks) : evaluate_head(options, ranks);
    ranks.root_only([&] { write_results(options, line, evaluation); });
}

}  // namespace bv
