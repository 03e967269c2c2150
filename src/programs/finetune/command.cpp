#include "programs/finetune/command.hpp"

#include <cmath>
#include <functional>
#include <stdexcept>
#include <utility>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "bert/attention/attention.hpp"
#include "bert/pretrained.hpp"
#include "comm/sharding.hpp"
#include "comm/watchdog.hpp"
#include "config/command_line.hpp"
#include "core/log.hpp"
#include "io/files.hpp"
#include "io/output_lock.hpp"
#include "io/paths.hpp"
#include "programs/finetune/evaluation.hpp"
#include "programs/finetune/recipe.hpp"
#include "programs/finetune/trainer.hpp"
#include "programs/shared/evaluation_history.hpp"
#include "programs/shared/precision.hpp"
#include "programs/shared/training_data.hpp"
#include "squad/features/features_file.hpp"
#include "states/compatibility.hpp"

namespace bv {

void FinetuneOptions::declare(CommandLine& line) {
    declare_inputs(line);
    declare_optimizer(line);
    declare_evaluation(line);
    declare_running(line);
}

void FinetuneOptions::declare_inputs(CommandLine& line) {
    line.option("model", model,
                "folder of a Hugging Face BERT: config.json, model.safetensors and its tokenizer")
        .required();
    line.option("features", features, "features file of bv_prepare to train on").required();
    line.option("output", output, "folder for checkpoints/ and metrics/").required();
    line.option("task", task,
                "task to fine-tune for. span: where is the answer? classification: does the question have an "
                "answer? (answerability; class 1 = no answer)");
    line.option("checkpoints", checkpoints,
                "epochs at which a checkpoint is written: a list of fractions and ranges first:last:step; "
                "training ends at the last one");
    line.sought_as("epochs", "checkpoints");
    line.option("batch", batch, "sequences in a step, over all ranks").check(at_least(1));
    line.option("pass-tokens", pass_tokens,
                "largest number of tokens in one forward and backward pass on a rank, so that it fits into "
                "memory; the gradients of several passes add up to those of the batch; 0 means one pass for "
                "the whole share of a rank")
        .check(at_least(0));
    line.option("gradient-checkpointing", gradient_checkpointing,
                "keep only the input of each layer and compute the layer again in the backward pass: this "
                "takes much less memory and a third more time, and gives the same result");
    line.option("seed", seed, "seed for the weights of a new head, the order of the data, and dropout")
        .check(within(0, kLargestSeed));
}

void FinetuneOptions::declare_optimizer(CommandLine& line) {
    line.option("optimizer", optimizer, "adam, or adamw, which has decoupled weight decay");
    line.option("learning-rate", learning_rate,
                "peak learning rate; the default is that of the reference, for batches of 4; "
                "configs/modern.toml has the usual rate and the settings that belong to it")
        .check(above_0());
    line.option("epsilon", epsilon, "epsilon of Adam").check(above_0());
    line.option("epsilon-kind", epsilon_kind,
                "keras adds epsilon before Adam's bias correction, torch after it");
    line.option("weight-decay", weight_decay, "weight decay of all weights except biases and LayerNorm")
        .check(at_least(0));
    line.option("schedule", schedule,
                "learning rate over the steps. constant: always the peak; linear: up from 0 during the "
                "warm-up, then down to 0 at the last checkpoint");
    line.option("warm-up", warm_up, "share of all steps, 0 to 1, that the warm-up of a linear schedule takes")
        .check(within(0, 1));
    line.option(
            "clip", clip,
            "largest norm of all gradients together, to which larger ones are clipped; 0 means no clipping")
        .check(at_least(0));
    line.option("loss", loss, "in the span task: sum or mean of the cross-entropies of start and end");
    line.option("no-dropout", no_dropout, "train without dropout");
    line.option("non-finite", non_finite,
                "reaction to a loss or gradient that is not finite: stop, or skip the update of this step");
}

void FinetuneOptions::declare_evaluation(CommandLine& line) {
    line.option("eval-features", eval_features,
                "features file on which every checkpoint is scored, as by bv_eval: the questions that "
                "bv_prepare held out, or the dev questions");
    line.option("eval-metric", eval_metric,
                "metric that decides which checkpoint is best and when --patience ends training: em, f1 or "
                "best_f1 (span), accuracy or f1 (classification)")
        .one_of(eval_metrics());
    line.option("patience", patience,
                "stop early when this many checkpoints in a row have no better --eval-metric than the best "
                "before them; 0 means never")
        .check(at_least(0));
}

void FinetuneOptions::declare_running(CommandLine& line) {
    line.option(
        "resume", resume,
        "auto: go on with a stopped run of the same recipe in the output folder, if there is one; "
        "must: fail if there is none; never: start from the beginning (where checkpoints are, only with "
        "--force)");
    line.option("resume-every", resume_every,
                "minutes between saved states, from which a stopped run can go on; with 0 a state is saved "
                "only on the stop signal (SIGUSR1; under srun also SIGTERM)")
        .check(at_least(0));
    bv::declare(line, compute);
    line.option(
        "force", force,
        "replace the checkpoints of an earlier run; an interrupted run of the same recipe still goes on");
    line.option("self-test", self_test,
                "check within a minute that all ranks together train as one rank alone does: compare the "
                "losses of a few steps; nothing is written");
    line.option(
            "trace", trace,
            "JSON file for a trace of 5 steps of rank 0, from the 11th step of this run on, or the last 5 "
            "of a shorter run: each operation on the CPU, and on a GPU each kernel, in the format of "
            "PyTorch's profiler; "
            "ui.perfetto.dev and chrome://tracing show it. An existing file is kept, unless --force is "
            "given")
        .output_file();
}

namespace {

constexpr std::int64_t kSelfTestSteps = 20;

/// The largest relative difference of losses that another order of summation can explain. With bfloat16 each
/// rank's gradients are rounded to 8 significant bits before they are summed.
double tolerance_of(at::ScalarType precision) {
    return precision == at::kBFloat16 ? 1e-2 : 1e-5;
}

/// Collective: compares the losses of all ranks with those of rank 0 alone. `losses(sharing)` trains with the
/// first `sharing` ranks, each time from the same weights. Throws std::runtime_error on rank 0 if they
/// differ.
void self_test(const std::function<std::vector<double>(int)>& losses, const Communicator& ranks,
               at::ScalarType precision) {
    const std::vector<double> together = losses(ranks.size());
    const std::vector<double> alone = losses(1);
    const double allowed = tolerance_of(precision);
    double largest = 0;
    bool passed = true;  // `largest` does not tell: std::fmax ignores NaN, and a NaN loss must not pass
    for (std::size_t i = 0; i < alone.size(); ++i) {
        const double difference = std::abs(together[i] - alone[i]) / std::abs(alone[i]);
        largest = std::fmax(largest, difference);
        passed = passed && difference <= allowed;
    }
    const std::string verdict = fmt::format(
        "{} ranks and one rank alone: in {} steps their losses differ by at most {:.1e} (relative)",
        ranks.size(), alone.size(), largest);
    if (passed) {
        spdlog::info("self-test passed: {} (allowed {:.0e})", verdict, allowed);
    } else if (ranks.is_root()) {  // rank 0 reports it for all ranks
        throw std::runtime_error(fmt::format("self-test failed: {}, allowed {:.0e}", verdict, allowed));
    }
}

/// The inputs that the flags name.
struct Inputs {
    std::vector<EpochFraction> plan;
    Features features;
    std::optional<TuningEvaluation> evaluation;
    FineTuning::Origin origin;
    nlohmann::json recipe;
};

/// Local: reads and checks the inputs. Throws Error, which names flag or file, when one is missing or does
/// not fit.
Inputs read_inputs(const FinetuneOptions& options) {
    Inputs inputs;
    inputs.plan = parse_checkpoints(options.checkpoints);
    if (options.self_test && !options.trace.empty())
        fail("--self-test writes nothing; found --trace {}", options.trace.string());
    if (!options.self_test && lies_in(options.model, options.output)) {
        fail("--model {} lies in --output {}, where this run writes checkpoints; give another --output",
             options.model.string(), options.output.string());
    }
    const BertConfig config = read_bert_config(options.model);
    inputs.features = read_features(options.features);
    if (!inputs.features.labelled) fail("{} has no labels to train on", options.features.string());
    if (inputs.features.count() == 0) fail("{} holds no features", options.features.string());
    require_fit(inputs.features, options.features, options.model, config);
    if (!options.eval_features.empty()) inputs.evaluation.emplace(options, config);
    if (options.patience > 0 && !inputs.evaluation) fail("--patience needs --eval-features");
    inputs.origin = {model_fingerprint(options.model), inputs.features.fingerprint()};
    const std::int64_t steps =
        inputs.plan.back().step(steps_per_epoch(inputs.features.count(), options.batch));
    if (options.self_test && steps == 0) {
        fail("--self-test compares the losses of steps, but with --checkpoints {} training has no steps",
             options.checkpoints);
    }
    inputs.recipe = recipe_of(options, inputs.origin.features, inputs.origin.model, steps);
    return inputs;
}

/// Collective: calls find_earlier_run, and requires that this run can write all its checkpoints.
EarlierRun look_for_earlier_run(const FinetuneOptions& options, const Inputs& inputs,
                                const Communicator& ranks) {
    const auto out_of_patience = [&](const ResumeState& state) {
        return inputs.evaluation && inputs.evaluation->history_of(state).out_of_patience();
    };
    const std::int64_t epoch_steps = steps_per_epoch(inputs.features.count(), options.batch);
    EarlierRun earlier = find_earlier_run(options.output,
                                          {.recipe = inputs.recipe,
                                           .plan = inputs.plan,
                                           .last_step = inputs.plan.back().step(epoch_steps),
                                           .resume = options.resume,
                                           .force = options.force,
                                           .stopped_early = out_of_patience},
                                          ranks);
    if (earlier.state && !earlier.finished)
        require_passed_checkpoints(options.output, inputs.plan, epoch_steps, earlier.state->step, ranks);
    return earlier;
}

Model load_model(const FinetuneOptions& options) {
    return Model::load(options.model, options.task, Use::tuning, options.seed);
}

/// Logs warnings when a class is missing in the training questions, or when they are evaluated, too.
void warn_of_questions(const FinetuneOptions& options, const Inputs& inputs) {
    if (options.task == Task::classification)
        warn_of_missing_class(inputs.features, options.features.string());
    if (!inputs.evaluation) return;
    warn_of_shared_questions(inputs.features, options.features.string(), inputs.evaluation->features(),
                             options.eval_features.string());
}

/// The options for --self-test: without dropout if its masks depend on the number of ranks.
FinetuneOptions options_of_test(const FinetuneOptions& options, const Compute& compute,
                                const BertConfig& config) {
    FinetuneOptions tested = options;
    if (takes_flash_attention(compute.device, compute.precision, config.head_size()) && !options.no_dropout) {
        spdlog::info(
            "self-test without dropout: the dropout masks of flash attention depend on the number of ranks");
        tested.no_dropout = true;
    }
    return tested;
}

}  // namespace

void finetune(const FinetuneOptions& options, const CommandLine& line, const Communicator& ranks) {
    set_hang_timeout(options.compute.hang_timeout);
    std::optional<OutputLock> lock;
    if (!options.self_test) ranks.root_only([&] { lock.emplace(OutputLock::of_folder(options.output)); });
    Compute compute = open_device(options.compute, ranks);
    Inputs inputs;
    ranks.agree([&] { inputs = read_inputs(options); });
    ranks.require_equal(inputs.origin.features, options.features.string());
    ranks.require_equal(inputs.origin.model, options.model.string());
    EarlierRun earlier;
    if (!options.self_test) earlier = look_for_earlier_run(options, inputs, ranks);
    if (earlier.finished) {
        spdlog::info(
            "{}: trained already, {}", options.output.string(),
            earlier.state ? "stopped early; with a larger --patience it goes on" : "all checkpoints exist");
        if (inputs.evaluation && !earlier.evaluated && ranks.is_root()) {
            spdlog::warn(
                "{}: it was trained without --eval-features, so its checkpoints have no scores here; bv_eval "
                "scores them",
                options.output.string());
        }
        if (!options.trace.empty() && ranks.is_root()) spdlog::warn("--trace: there is no step to trace");
        return;
    }
    ranks.root_only([&] { warn_of_questions(options, inputs); });
    std::optional<Model> model;
    ranks.agree([&] { model = load_model(options); });
    if (!earlier.state && !model->drawn().empty()) {
        spdlog::info("newly initialised, because {} does not hold them: {}", options.model.string(),
                     fmt::join(model->drawn(), ", "));
    }
    choose_precision(compute, options.compute.precision, {.unfinished = earlier.precision}, model->config(),
                     ranks);
    inputs.recipe["precision"] = compute.precision_name();
    Collective& collective = make_collective(ranks, compute.gpu());
    const auto trainer = [&](const FinetuneOptions& how, Model& with, int sharing) {
        return FineTuning(
            {how, line.resolved(), ranks, collective, compute, inputs.features, inputs.origin, inputs.plan},
            with, sharing);
    };
    if (options.self_test) {
        const FinetuneOptions tested = options_of_test(options, compute, model->config());
        const auto losses = [&](int sharing) {
            Model fresh = load_model(options);
            return trainer(tested, fresh, sharing).losses(kSelfTestSteps);
        };
        return self_test(losses, ranks, compute.precision);
    }
    std::optional<TuningFiles> files;
    ranks.root_only([&] {
        files.emplace(options.output, options.model, inputs.recipe, line.resolved(),
                      earlier.replaces ? inputs.plan : std::vector<EpochFraction>());
    });
    trainer(options, *model, ranks.size()).run(std::move(earlier.state), files, inputs.evaluation);
}

}  // namespace bv
