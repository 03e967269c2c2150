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
#include "programs/finetune/evaluation.hpp"
#include "programs/finetune/recipe.hpp"
#include "programs/finetune/trainer.hpp"
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
    line.option(
        "task", task,
        "what to fine-tune for: span, where is the answer; classification, has the question an answer "
        "(answerability; class 1 = no answer)");
    line.option(
        "checkpoints", checkpoints,
        "epochs to keep a checkpoint at: fractions and ranges first:last:step; training ends at the last");
    line.sought_as("epochs", "checkpoints");
    line.option("batch", batch, "sequences a step, over all ranks").check(at_least(1));
    line.option(
            "pass-tokens", pass_tokens,
            "most tokens of one forward and backward pass on a rank, to fit its memory: gradients of several "
            "passes add up to the batch's; 0 takes a rank's share at once")
        .check(at_least(0));
    line.option(
        "gradient-checkpointing", gradient_checkpointing,
        "keep only each layer's input and compute the layer again in the backward pass: much less memory, a "
        "third more time, the same result");
    line.option("seed", seed, "of a new head's weights, data order and dropout");
}

void FinetuneOptions::declare_optimizer(CommandLine& line) {
    line.option("optimizer", optimizer, "adam, or adamw with decoupled weight decay");
    line.option(
            "learning-rate", learning_rate,
            "peak learning rate; the default is the reference's, for batches of 4; the usual one stands in "
            "configs/modern.toml with what belongs to it")
        .check(above_0());
    line.option("epsilon", epsilon, "of Adam").check(above_0());
    line.option("epsilon-kind", epsilon_kind,
                "keras adds epsilon before Adam's bias correction, torch after it");
    line.option("weight-decay", weight_decay, "of all weights but biases and LayerNorm").check(at_least(0));
    line.option("schedule", schedule, "constant, or linear: warm-up, then decay to 0 at the last checkpoint");
    line.option("warm-up", warm_up, "share of the steps that warm up").check(within(0, 1));
    line.option("clip", clip, "largest norm of all gradients together; 0 does not clip").check(at_least(0));
    line.option("loss", loss, "span: sum or mean of the start's and the end's cross-entropy")
        .one_of({"sum", "mean"});
    line.option("no-dropout", no_dropout, "train without dropout");
    line.option("non-finite", non_finite,
                "what to do where the loss or a gradient is not finite: stop, or skip the step's update")
        .one_of({"stop", "skip"});
}

void FinetuneOptions::declare_evaluation(CommandLine& line) {
    line.option(
        "eval-features", eval_features,
        "features file to score every checkpoint on, as bv_eval does: what bv_prepare held out, or dev");
    line.option(
            "eval-metric", eval_metric,
            "names the best checkpoint, and is what --patience waits for: em, f1 or best_f1 (span), accuracy "
            "or f1 (classification)")
        .one_of({"em", "f1", "best_f1", "accuracy"});
    line.option(
            "patience", patience,
            "stop early after so many checkpoints in a row without a better --eval-metric; 0 trains to the "
            "last checkpoint")
        .check(at_least(0));
}

void FinetuneOptions::declare_running(CommandLine& line) {
    line.option("resume", resume,
                "auto goes on where a run of the same recipe in the output folder stopped, must fails where "
                "there is none, never starts anew")
        .one_of({"auto", "never", "must"});
    line.option("resume-every", resume_every,
                "minutes between states to resume from; 0 saves one on the stop signal alone (SIGUSR1; under "
                "srun SIGTERM too)")
        .check(at_least(0));
    bv::declare(line, compute);
    line.option(
        "force", force,
        "replace the checkpoints of an earlier run; one of the same recipe that was cut short goes on");
    line.option(
        "self-test", self_test,
        "show in a minute that these ranks together train what one of them trains: compare the losses of a "
        "few steps, write nothing");
}

namespace {

constexpr std::int64_t kSelfTestSteps = 20;

/// The relative difference of losses that sums in another order explain; bfloat16 rounds each rank's
/// gradients to 8 bits before they are summed.
double tolerance_of(at::ScalarType precision) {
    return precision == at::kBFloat16 ? 1e-2 : 1e-5;
}

/// Collective. `losses(sharing)` trains anew from the same weights.
void self_test(const std::function<std::vector<double>(int)>& losses, const Communicator& ranks,
               at::ScalarType precision) {
    const std::vector<double> together = losses(ranks.size());
    const std::vector<double> alone = losses(1);
    const double allowed = tolerance_of(precision);
    double largest = 0;
    bool passed = true;  // not told from `largest`: a loss that is no number must not pass
    for (std::size_t i = 0; i < alone.size(); ++i) {
        const double difference = std::abs(together[i] - alone[i]) / std::abs(alone[i]);
        largest = std::fmax(largest, difference);
        passed = passed && difference <= allowed;
    }
    const std::string verdict =
        fmt::format("{} ranks and one alone: largest relative difference of the losses of {} steps {:.1e}",
                    ranks.size(), alone.size(), largest);
    if (passed) {
        spdlog::info("self-test passed: {} (allowed {:.0e})", verdict, allowed);
    } else if (ranks.is_root()) {  // who speaks for all
        throw std::runtime_error(fmt::format("self-test failed: {}, allowed {:.0e}", verdict, allowed));
    }
}

/// What the flags name.
struct Inputs {
    std::vector<EpochFraction> plan;
    Features features;
    std::optional<TuningEvaluation> evaluation;
    FineTuning::Origin origin;
    nlohmann::json recipe;
};

/// Local. Throws Error naming flag or file where something is missing or does not fit.
Inputs read_inputs(const FinetuneOptions& options) {
    Inputs inputs;
    inputs.plan = parse_checkpoints(options.checkpoints);
    const BertConfig config = read_bert_config(options.model);
    inputs.features = read_features(options.features);
    if (!inputs.features.labelled) fail("{} has no labels to train on", options.features.string());
    if (inputs.features.count() == 0) fail("{} holds no features", options.features.string());
    if (options.task == Task::classification)
        warn_of_missing_class(inputs.features, options.features.string());
    require_fit(inputs.features, options.features, options.model, config);
    if (!options.eval_features.empty()) inputs.evaluation.emplace(options, config);
    if (options.patience > 0 && !inputs.evaluation) fail("--patience needs --eval-features");
    inputs.origin = {weights_fingerprint(options.model), inputs.features.fingerprint()};
    const std::int64_t steps =
        inputs.plan.back().step(steps_per_epoch(inputs.features.count(), options.batch));
    inputs.recipe = recipe_of(options, inputs.origin.features, inputs.origin.weights, steps);
    return inputs;
}

/// Collective.
EarlierRun look_for_earlier_run(const FinetuneOptions& options, const Inputs& inputs,
                                const Communicator& ranks) {
    const auto out_of_patience = [&](const ResumeState& state) {
        return inputs.evaluation && inputs.evaluation->history_of(state).out_of_patience();
    };
    return find_earlier_run(options.output, inputs.recipe, inputs.plan, options.resume, options.force,
                            out_of_patience, ranks);
}

Model load_model(const FinetuneOptions& options) {
    return Model::load(options.model, options.task, Use::tuning, options.seed);
}

/// What --self-test trains with: no dropout where its masks depend on the number of ranks.
FinetuneOptions options_of_test(const FinetuneOptions& options, const Compute& compute,
                                const BertConfig& config) {
    FinetuneOptions tested = options;
    if (takes_flash_attention(compute.device, compute.precision, config.head_size()) && !options.no_dropout) {
        spdlog::info("self-test without dropout: flash attention draws other masks for other ranks");
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
    EarlierRun earlier;
    if (!options.self_test) earlier = look_for_earlier_run(options, inputs, ranks);
    if (earlier.finished) {
        spdlog::info(
            "{}: trained already, {}", options.output.string(),
            earlier.state ? "stopped early; a larger --patience goes on" : "all checkpoints are there");
        return;
    }
    std::optional<Model> model;
    ranks.agree([&] { model = load_model(options); });
    if (!earlier.state && !model->drawn().empty()) {
        spdlog::info("newly initialised, since {} does not hold them: {}", options.model.string(),
                     fmt::join(model->drawn(), ", "));
    }
    choose_precision(compute, options.compute.precision, earlier.precision, model->config(), ranks);
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
    if (ranks.is_root()) {
        files.emplace(options.output, options.model, inputs.recipe,
                      earlier.replaces ? inputs.plan : std::vector<EpochFraction>());
    }
    ranks.root_only([&] { write_file(options.output / "finetune.toml", line.resolved()); });
    trainer(options, *model, ranks.size()).run(std::move(earlier.state), files, inputs.evaluation);
}

}  // namespace bv
