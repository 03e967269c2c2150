#include "programs/eval/command.hpp"

#include <optional>

#include "comm/watchdog.hpp"
#include "config/command_line.hpp"
#include "core/error.hpp"
#include "io/output_lock.hpp"
#include "programs/eval/evaluation.hpp"
#include "programs/eval/predictions.hpp"
#include "programs/eval/results.hpp"

namespace bv {
namespace {

/// Throws Error unless the flags name one thing to evaluate, and all that it needs.
EvalMode mode_of(const EvalOptions& options) {
    const bool states = !options.store.empty() || !options.checkpoint.empty();
    const int modes = (options.head.empty() && !options.checkpoint.empty()) + !options.head.empty() +
                      !options.logits.empty() + !options.predictions.empty();
    if (modes != 1) {
        fail(
            "evaluates one thing: --checkpoint with --features, --head with --store (or with --checkpoint "
            "and --features), --logits with --features, or --predictions with --squad; {} were given",
            modes);
    }
    if (!options.head.empty() && !states)
        fail("--head needs states: --store, or --checkpoint and --features");
    if (!options.store.empty() && !(options.checkpoint.empty() && options.features.empty())) {
        fail("--store has its own features: neither --checkpoint nor --features goes with it");
    }
    if (!options.predictions.empty()) return EvalMode::predictions;
    if (options.store.empty() && options.features.empty()) fail("--features is missing");
    if (options.output.empty()) fail("--output is missing");
    if (!options.logits.empty()) return EvalMode::logits;
    return options.head.empty() ? EvalMode::checkpoint : EvalMode::head;
}

/// Locks the folder of results. Throws Error where results are there already and --force does not replace
/// them.
OutputLock lock_output(const EvalOptions& options) {
    OutputLock lock = OutputLock::of_folder(options.output);
    if (!options.force && !lock.stands_alone())
        fail("{} exists already; --force replaces it", options.output.string());
    return lock;
}

}  // namespace

void EvalOptions::declare(CommandLine& line) {
    line.option("checkpoint", checkpoint, "evaluate this checkpoint (or any BERT folder, with --task)");
    line.option("task", task,
                "what the model does, where no checkpoint.json says it: span, where is the answer; "
                "classification, has the question an answer (answerability; class 1 = no answer)");
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
    line.option("show", show,
                "print the first N questions with gold answers, predictions and the scorers' verdicts")
        .check(at_least(0));
    line.option("output", output, "folder for results; --predictions does without");
    bv::declare(line, compute);
    line.option("force", force, "replace the results of an earlier run");
}

void eval(const EvalOptions& options, const CommandLine& line, const Communicator& ranks) {
    set_hang_timeout(options.compute.hang_timeout);
    EvalMode mode{};
    ranks.agree([&] { mode = mode_of(options); });
    std::optional<OutputLock> lock;
    ranks.root_only([&] {
        if (!options.output.empty()) lock.emplace(lock_output(options));
    });
    const auto write = [&](const Evaluation& evaluation) {
        ranks.root_only([&] { write_results(options, line, evaluation); });
    };
    switch (mode) {
        case EvalMode::checkpoint:
            return write(evaluate_checkpoint(options, ranks));
        case EvalMode::head:
            return write(evaluate_head(options, ranks));
        case EvalMode::logits:
            return ranks.root_only([&] { write_results(options, line, evaluate_logits(options)); });
        case EvalMode::predictions:
            return ranks.root_only([&] { score_predictions(options, line); });
    }
}

}  // namespace bv
