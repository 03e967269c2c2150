#include "programs/eval/command.hpp"

#include <optional>

#include "comm/watchdog.hpp"
#include "config/command_line.hpp"
#include "core/error.hpp"
#include "io/output_lock.hpp"
#include "io/paths.hpp"
#include "programs/eval/compare.hpp"
#include "programs/eval/evaluation.hpp"
#include "programs/eval/pooled.hpp"
#include "programs/eval/predictions.hpp"
#include "programs/eval/results.hpp"
#include "programs/eval/serve.hpp"

namespace bv {
namespace {

/// Whether flags say how answers are made of logits.
bool chooses_answers(const EvalOptions& options) {
    return !options.threshold_from.empty() || options.answers != AnswerOptions();
}

/// Throws Error unless the flags of --serve go together.
void check_serve(const EvalOptions& options) {
    if (options.checkpoint.empty()) fail("--serve needs --checkpoint, the model that answers");
    if (options.features.empty())
        fail("--serve needs --features: questions are cut into windows as those of this file");
    const bool others = !(options.store.empty() && options.logits.empty() && options.predictions.empty() &&
                          options.squad.empty() && options.compare.empty() && options.pooled.empty());
    if (others || !options.output.empty() || !options.threshold_from.empty() || options.show > 0) {
        fail(
            "--serve answers questions and writes nothing: leave out --store, --logits, --predictions, "
            "--squad, --compare, --pooled, --output, --threshold-from and --show");
    }
}

/// Throws Error unless the flags name one thing to evaluate and everything that it needs.
EvalMode mode_of(const EvalOptions& options) {
    if (options.serve) {
        check_serve(options);
        return EvalMode::serve;
    }
    if (options.heads.size() > 1) {
        fail("--head names {} heads; one is evaluated at a time, and only --serve takes several",
             options.heads.size());
    }
    const bool states = !options.store.empty() || !options.checkpoint.empty();
    const int modes = (options.heads.empty() && !options.checkpoint.empty()) + !options.heads.empty() +
                      !options.logits.empty() + !options.predictions.empty() + !options.compare.empty();
    if (modes != 1) {
        fail(
            "give exactly one mode: --checkpoint with --features, --head with --store (or with --checkpoint "
            "and --features; with --pooled too), --logits with --features, --predictions with --squad, "
            "--compare, or --serve; these flags give {} modes",
            modes);
    }
    if (!options.pooled.empty()) {
        if (options.heads.empty()) fail("--pooled needs --head, the head whose rows are written");
        if (!options.output.empty() || chooses_answers(options) || options.show > 0) {
            fail(
                "--pooled writes its file alone: leave out --output, --show, --threshold-from, "
                "--null-threshold, --n-best and --max-answer-tokens");
        }
    }
    if (!options.heads.empty() && !states)
        fail("--head needs states: give --store, or --checkpoint and --features");
    if (!options.store.empty() && !(options.checkpoint.empty() && options.features.empty())) {
        fail("--store has its own features: leave out --checkpoint and --features");
    }
    if (!options.compare.empty()) {
        if (options.compare.size() != 2)
            fail("--compare takes two evaluations, A,B; found {}", options.compare.size());
        if (!options.output.empty() || options.show > 0)
            fail("--compare prints its own results: leave out --output and --show");
        if (chooses_answers(options)) {
            fail(
                "--compare takes the answers as they were evaluated: leave out --threshold-from, "
                "--null-threshold, --n-best and --max-answer-tokens, or evaluate again with them");
        }
        return EvalMode::compare;
    }
    if (!options.predictions.empty() && chooses_answers(options)) {
        fail(
            "--threshold-from, --null-threshold, --n-best and --max-answer-tokens make answers of logits; "
            "--predictions has answers: it takes --na-probs with --na-prob-threshold");
    }
    if (!options.predictions.empty()) return EvalMode::predictions;
    if (options.store.empty() && options.features.empty()) fail("--features is missing");
    if (!options.pooled.empty()) return EvalMode::pooled;
    if (options.output.empty()) fail("--output is missing");
    if (!options.logits.empty()) return EvalMode::logits;
    return options.heads.empty() ? EvalMode::checkpoint : EvalMode::head;
}

/// Locks the output folder. Throws Error if it already holds results and the user does not give --force, or
/// if it holds those of bv_train or those that --threshold-from names, which --force does not replace.
OutputLock lock_output(const EvalOptions& options) {
    const std::filesystem::path& output = options.output;
    if (is_there(output / "head.json"))
        fail("--output {} is the folder of a trained head; give another folder", output.string());
    if (!options.threshold_from.empty()) {
        const std::filesystem::path found = std::filesystem::absolute(options.threshold_from);
        std::error_code missing;
        if (std::filesystem::equivalent(is_folder(found) ? found : found.parent_path(), output, missing))
            fail("--threshold-from and --output name the same evaluation, {}", output.string());
    }
    OutputLock lock = OutputLock::of_folder(output);
    if (!options.force && !lock.stands_alone())
        fail("{} exists already; --force replaces it", output.string());
    return lock;
}

void declare_answers(CommandLine& line, AnswerOptions& answers) {
    line.option(
            "n-best", answers.n_best,
            "number of starts and of ends to try in each window, and of answers to keep for each question")
        .check(at_least(1));
    line.option("max-answer-tokens", answers.max_answer_tokens, "number of tokens of the longest answer")
        .check(at_least(1));
    line.option("null-threshold", answers.null_threshold,
                "the answer is \"none\" if the null odds are above this number");
}

}  // namespace

void EvalOptions::declare(CommandLine& line) {
    line.option("checkpoint", checkpoint, "evaluate this checkpoint, or with --task any BERT folder");
    line.option("task", task,
                "the task of a model without checkpoint.json: span finds the answer; classification says "
                "whether the question has one (class 1 = no answer)");
    const Option head_option = line.option(
        "head", heads,
        "evaluate the head in this folder, which bv_train wrote; it reads the states of --store, or the "
        "states that --checkpoint computes from --features; --serve takes the flag several times");
    line.option("store", store, "the head reads the states of this store").needs(head_option);
    line.option(
            "allow-other-checkpoint", allow_other_checkpoint,
            "let the head read states of a checkpoint on which it was not trained (metrics.json says so), "
            "and a store whose checkpoint has changed since it was made")
        .needs(head_option);
    line.option("logits", logits, "evaluate these files of logits; several files are one ensemble")
        .delimiter(',');
    line.option("combine", combine, "how an ensemble combines the probabilities of its models");
    line.option("features", features, "features file of the questions");
    const Option predictions_option =
        line.option("predictions", predictions, "score this file of answers: {\"question id\": \"answer\"}");
    const Option squad_option =
        line.option("squad", squad, "with --predictions: the SQuAD file with the gold answers");
    predictions_option.needs(squad_option);
    squad_option.needs(predictions_option);
    const Option na_probs_option =
        line.option("na-probs", na_probs, "with --predictions: {\"question id\": probability of no answer}");
    na_probs_option.needs(predictions_option);
    line.option("na-prob-threshold", na_prob_threshold,
                "with --na-probs: a question with a higher probability counts as answered \"none\"")
        .needs(na_probs_option);
    declare_answers(line, answers);
    line.option(
        "threshold-from", threshold_from,
        "take the null threshold from this evaluation (metrics.json or its folder) of held-out "
        "training questions, by the same model: the one with the best F1 there; it takes the place of "
        "--null-threshold");
    const Option compare_option =
        line.option("compare", compare,
                    "compare two evaluations A,B (metrics.json or their folders) of the same questions: "
                    "scores, the difference with its 95 % interval, and whether it is more than noise")
            .delimiter(',');
    line.option("json", json, "with --compare: print JSON").needs(compare_option);
    line.option("serve", serve,
                "answer questions: read one JSON object a line from standard input, with \"question\", "
                "\"context\" and perhaps \"id\", and print one JSON object a line with the answers of "
                "--checkpoint and of each --head; contexts are cut into windows as those of --features");
    line.option("pooled", pooled,
                "with --head: write no scores. Write the output of the block before the last one into this "
                "safetensors file, one row for each token (span) or feature (classification)")
        .output_file();
    line.option(
            "show", show,
            "print the first N questions with their gold answers, predictions and verdicts of the scorers")
        .check(at_least(0));
    line.option("output", output, "folder for the results; --predictions and --pooled do not need it");
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
        case EvalMode::pooled:
            return write_pooled(options, ranks);
        case EvalMode::logits:
            return ranks.root_only([&] { write_results(options, line, evaluate_logits(options)); });
        case EvalMode::predictions:
            return ranks.root_only([&] { score_predictions(options, line); });
        case EvalMode::compare:
            return ranks.root_only([&] { compare(options); });
        case EvalMode::serve:
            return serve(options, ranks);
    }
}

}  // namespace bv
