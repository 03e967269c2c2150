#include "stages/finetune.hpp"

#include <array>
#include <chrono>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "bert/model.hpp"
#include "bert/pretrained.hpp"
#include "core/command_line.hpp"
#include "core/files.hpp"
#include "core/log.hpp"
#include "core/progress.hpp"
#include "core/stop_signal.hpp"
#include "dist/collective.hpp"
#include "dist/sharding.hpp"
#include "optim/adam.hpp"
#include "optim/epoch.hpp"
#include "optim/flat_parameters.hpp"
#include "optim/gradient_sync.hpp"
#include "optim/schedule.hpp"
#include "squad/features_file.hpp"
#include "stages/fit.hpp"
#include "stages/phase_clock.hpp"
#include "stages/tuning_files.hpp"
#include "stages/tuning_recipe.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

FlatParameters flatten(const Model& model) {
    std::vector<at::Tensor> tensors;
    std::vector<bool> decays;
    for (const Parameter& parameter : model.trainable()) {
        tensors.push_back(parameter.tensor);
        decays.push_back(parameter.decays());
    }
    return {tensors, decays};
}

/// One run of training: what it reads, what it changes, and its steps.
class FineTuning {
  public:
    struct Origin {
        std::string started_from;  ///< fingerprint of the weights
        std::string data;          ///< fingerprint of the features
    };

    FineTuning(const FinetuneOptions& options, std::string config, const Communicator& ranks,
               const Compute& compute, const StopSignal& stop, const Features& features, Origin origin,
               Model& model, std::vector<EpochFraction> plan)
        : options_(options),
          config_(std::move(config)),
          ranks_(ranks),
          compute_(compute),
          stop_(stop),
          features_(features),
          origin_(std::move(origin)),
          model_(model),
          plan_(std::move(plan)),
          tokens_of_(features.token_counts()),
          steps_per_epoch_(steps_per_epoch(features.count(), options.batch)),
          total_steps_(plan_.back().step(steps_per_epoch_)),
          flat_(flatten(model)),
          collective_(make_collective(ranks, compute.gpu())),
          optimizer_(flat_, {adam_named(options.optimizer), 0.9, 0.999, options.epsilon,
                             epsilon_named(options.epsilon_kind), options.weight_decay}),
          schedule_(schedule_named(options.schedule), options.learning_rate,
                    warm_up_steps(options.warm_up, total_steps_), total_steps_) {}

    /// Collective: trains to the end, from `state` on where there is one. `files` is rank 0's.
    void run(const std::optional<ResumeState>& state, std::optional<TuningFiles>& files) {
        files_ = &files;
        if (state) restore(*state);
        collective_->broadcast(flat_.values().data_ptr<float>(), flat_.elements(), 0);
        spdlog::info(
            "{} parameters, {} trained; {} features, {} steps an epoch, {} steps in all; gradients by {}",
            model_.parameter_count(), trained_count(), features_.count(), steps_per_epoch_, total_steps_,
            collective_->name());
        if (state) spdlog::info("resumed after {} steps", steps_);
        on_root([&](TuningFiles& mine) { mine.begin(steps_); });
        if (steps_ == 0) write_due_checkpoints();
        Progress progress("fine-tuning", "steps", total_steps_, !ranks_.is_root(), steps_);
        auto last_state = std::chrono::steady_clock::now();
        while (steps_ < total_steps_) {
            const Outcome outcome = train(steps_++);
            const double seconds = earlier_seconds_ + progress.seconds();
            progress.advance(1, fmt::format("loss {:.4f}, {:.1f} sequences/s, {:.0f} tokens/s", outcome.loss,
                                            static_cast<double>(sequences_) / seconds,
                                            static_cast<double>(tokens_) / seconds));
            write_due_checkpoints();
            const auto now = std::chrono::steady_clock::now();
            const bool due =
                options_.resume_every > 0 &&
                now - last_state > std::chrono::duration<double, std::ratio<60>>(options_.resume_every);
            on_root([&](TuningFiles& mine) {
                mine.check();
                if (due || (outcome.stop && steps_ < total_steps_)) mine.write_state(current_state(seconds));
                if (outcome.stop) mine.wait();
            });
            if (due) last_state = now;
            if (outcome.stop && steps_ < total_steps_) {
                throw Stopped(
                    fmt::format("told to stop: state saved after {} of {} steps; start again to go on",
                                steps_, total_steps_));
            }
        }
        on_root([](TuningFiles& mine) { mine.finish(); });
        const double seconds = earlier_seconds_ + progress.finish();
        spdlog::info("time of rank 0: {}", clock_.shares());
        on_root([&](TuningFiles& mine) {
            Json summary = totals(seconds);
            summary.update({{"done", true}, {"ranks", ranks_.size()}, {"compute", compute_.text()}});
            mine.log(summary);
        });
    }

  private:
    struct Outcome {
        double loss;  ///< of the global batch
        bool stop;    ///< whether any rank was told to stop
    };

    /// Collective: runs `work` on rank 0; what goes wrong there ends all ranks with one line.
    void on_root(const std::function<void(TuningFiles&)>& work) const {
        ranks_.root_only([&] { work(**files_); });
    }

    std::int64_t trained_count() const {
        std::int64_t count = 0;
        for (const Parameter& parameter : model_.trainable()) count += parameter.tensor.numel();
        return count;
    }

    Json totals(double seconds) const {
        return {
            {"seconds", seconds}, {"sequences", sequences_}, {"tokens", tokens_}, {"phases", clock_.all()}};
    }

    ResumeState current_state(double seconds) const {
        const auto copy = [](const at::Tensor& x) { return x.detach().to(at::kCPU, false, /*copy=*/true); };
        return {steps_, totals(seconds).dump(), copy(flat_.values()), copy(optimizer_.first_moments()),
                copy(optimizer_.second_moments())};
    }

    void restore(const ResumeState& state) {
        const at::NoGradGuard no_graph;
        BV_EXPECT(state.values.numel() == flat_.elements());
        flat_.values().copy_(state.values);
        optimizer_.restore(state.step, state.first_moments, state.second_moments);
        steps_ = state.step;
        order_ = epoch_order(options_.seed, steps_ / steps_per_epoch_, features_.count());
        const Json earlier = Json::parse(state.totals);
        earlier_seconds_ = earlier.at("seconds").get<double>();
        sequences_ = earlier.at("sequences").get<std::int64_t>();
        tokens_ = earlier.at("tokens").get<std::int64_t>();
        clock_.restore(earlier.at("phases"));
    }

    /// The loss a sequence contributes to the batch's, as a factor of its summed cross-entropies.
    double loss_scale(std::size_t global_batch) const {
        const double heads = options_.task == "span" && options_.loss == "mean" ? 2.0 : 1.0;
        return 1.0 / (heads * static_cast<double>(global_batch));
    }

    /// Collective: one step: forward and backward over this rank's share, the sum over ranks, one update.
    Outcome train(std::int64_t step) {
        clock_.begin_step();
        const std::int64_t epoch = step / steps_per_epoch_;
        if (step % steps_per_epoch_ == 0) order_ = epoch_order(options_.seed, epoch, features_.count());
        const auto global = batch_of_step(order_, options_.batch, step % steps_per_epoch_);
        const auto share =
            split_by_tokens(global, tokens_of_, ranks_.size())[static_cast<std::size_t>(ranks_.rank())];
        std::int64_t tokens = 0;
        for (const std::int64_t example : global) tokens += tokens_of_[static_cast<std::size_t>(example)];
        flat_.zero_gradients();
        double loss = 0;
        if (!share.empty()) {
            const Batch batch = make_batch(features_, share, compute_.device);
            clock_.end(PhaseClock::data);
            const DropoutKey key{options_.seed, step};
            const at::Tensor scaled =
                model_.loss(batch, model_.logits(batch, options_.no_dropout ? nullptr : &key)) *
                loss_scale(global.size());
            loss = scaled.item<double>();
            clock_.end(PhaseClock::forward);
            scaled.backward();
            if (compute_.device.is_cuda())
                flat_.gradients().select(0, 0).item();  // waits, so that phases are told apart
            clock_.end(PhaseClock::backward);
        }
        sum_gradients(flat_, *collective_);
        // One small sum carries the loss and whether to stop, so that all ranks stop after the same step.
        std::array<double, 2> agreed{loss, stop_.requested() ? 1.0 : 0.0};
        ranks_.sum(agreed);
        loss = agreed[0];
        clock_.end(PhaseClock::all_reduce);
        const double norm = options_.clip > 0 ? clip_gradients(flat_, options_.clip) : gradient_norm(flat_);
        const double rate = schedule_.rate(step);
        optimizer_.step(rate);
        clock_.end(PhaseClock::optimizer);
        clock_.end_step();
        sequences_ += static_cast<std::int64_t>(global.size());
        tokens_ += tokens;
        if (*files_) {
            (*files_)->log({{"step", step + 1},
                            {"epoch", static_cast<double>(step + 1) / static_cast<double>(steps_per_epoch_)},
                            {"loss", loss},
                            {"learning_rate", rate},
                            {"gradient_norm", norm},
                            {"sequences", global.size()},
                            {"tokens", tokens},
                            {"phases", clock_.step()}});
        }
        return {loss, agreed[1] > 0};
    }

    /// Collective: starts to write the checkpoints that are due after the steps done.
    void write_due_checkpoints() {
        for (const EpochFraction& epoch : plan_) {
            if (epoch.step(steps_per_epoch_) != steps_) continue;
            on_root([&](TuningFiles& mine) {
                mine.write_checkpoint({epoch, steps_, steps_per_epoch_, options_.seed, options_.task,
                                       origin_.data, "", origin_.started_from, config_},
                                      model_);
            });
        }
    }

    const FinetuneOptions& options_;
    std::string config_;
    const Communicator& ranks_;
    Compute compute_;
    const StopSignal& stop_;
    const Features& features_;
    Origin origin_;
    Model& model_;
    std::vector<EpochFraction> plan_;
    std::vector<std::int64_t> tokens_of_;
    std::int64_t steps_per_epoch_;
    std::int64_t total_steps_;
    FlatParameters flat_;
    std::unique_ptr<Collective> collective_;
    Adam optimizer_;
    Schedule schedule_;
    PhaseClock clock_;
    std::optional<TuningFiles>* files_ = nullptr;
    std::vector<std::int64_t> order_;
    std::int64_t steps_ = 0;  ///< done
    double earlier_seconds_ = 0;
    std::int64_t sequences_ = 0;
    std::int64_t tokens_ = 0;
};

}  // namespace

void FinetuneOptions::declare(CommandLine& line) {
    line.option("model", model, "folder of a Hugging Face BERT: config.json, model.safetensors, vocab.txt")
        ->required();
    line.option("features", features, "features file of bv_prepare to train on")->required();
    line.option("output", output, "folder for checkpoints/ and metrics/")->required();
    line.option("task", task, "what to fine-tune for")->check(CLI::IsMember({"span", "classification"}));
    line.option(
        "checkpoints", checkpoints,
        "epochs to keep a checkpoint at: fractions and ranges first:last:step; training ends at the last");
    line.option("batch", batch, "sequences a step, over all ranks")->check(CLI::PositiveNumber);
    line.option("seed", seed, "of a new head's weights, data order and dropout");
    line.option("optimizer", optimizer, "adam, or adamw with decoupled weight decay")
        ->check(CLI::IsMember({"adam", "adamw"}));
    line.option("learning-rate", learning_rate, "peak learning rate")->check(CLI::PositiveNumber);
    line.option("epsilon", epsilon, "of Adam")->check(CLI::PositiveNumber);
    line.option("epsilon-kind", epsilon_kind,
                "keras adds epsilon before Adam's bias correction, torch after it")
        ->check(CLI::IsMember({"keras", "torch"}));
    line.option("weight-decay", weight_decay, "of all weights but biases and LayerNorm")
        ->check(CLI::NonNegativeNumber);
    line.option("schedule", schedule, "constant, or linear: warm-up, then decay to 0 at the last checkpoint")
        ->check(CLI::IsMember({"constant", "linear"}));
    line.option("warm-up", warm_up, "share of the steps that warm up")->check(CLI::Range(0.0, 1.0));
    line.option("clip", clip, "largest norm of all gradients together; 0 does not clip")
        ->check(CLI::NonNegativeNumber);
    line.option("loss", loss, "span: sum or mean of the start's and the end's cross-entropy")
        ->check(CLI::IsMember({"sum", "mean"}));
    line.option("no-dropout", no_dropout, "train without dropout");
    line.option("resume", resume,
                "auto goes on where a run of the same recipe in the output folder stopped, must fails where "
                "there is none, never starts anew")
        ->check(CLI::IsMember({"auto", "never", "must"}));
    line.option("resume-every", resume_every,
                "minutes between states to resume from; 0 saves one on the stop signal alone (SIGUSR1; under "
                "srun SIGTERM too)")
        ->check(CLI::NonNegativeNumber);
    bv::declare(line, compute);
    line.option("force", force, "replace the checkpoints of an earlier run");
}

void finetune(const FinetuneOptions& options, const CommandLine& line, const Communicator& ranks) {
    const StopSignal stop;
    const Compute compute = open_device(options.compute, ranks);
    std::vector<EpochFraction> plan;
    std::optional<Features> features;
    std::optional<Model> model;
    FineTuning::Origin origin;
    Json recipe;
    EarlierRun earlier;
    ranks.agree([&] {
        plan = parse_checkpoints(options.checkpoints);
        const BertConfig config = read_bert_config(options.model);
        features = read_features(options.features);
        if (!features->labelled) fail("{} has no labels to train on", options.features.string());
        if (features->count() == 0) fail("{} holds no features", options.features.string());
        require_fit(*features, options.features, options.model, config);
        origin = {weights_fingerprint(options.model), features->fingerprint()};
        recipe = recipe_of(options, origin.data, origin.started_from,
                           plan.back().step(steps_per_epoch(features->count(), options.batch)));
        earlier = find_earlier_run(options.output, recipe, plan, options.resume, options.force);
        if (!earlier.finished) model = Model::load(options.model, task_named(options.task), options.seed);
    });
    if (earlier.finished) {
        spdlog::info("{}: trained already, all checkpoints are there", options.output.string());
        return;
    }
    model->to(compute.device, compute.precision);
    std::optional<TuningFiles> files;
    if (ranks.is_root()) files.emplace(options.output, options.model, recipe);
    ranks.root_only([&] { write_file(options.output / "finetune.toml", line.resolved()); });
    FineTuning(options, line.resolved(), ranks, compute, stop, *features, origin, *model, plan)
        .run(earlier.state, files);
}

}  // namespace bv
