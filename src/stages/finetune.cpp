#include "stages/finetune.hpp"

#include <algorithm>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "bert/model.hpp"
#include "bert/pretrained.hpp"
#include "core/command_line.hpp"
#include "core/files.hpp"
#include "core/log.hpp"
#include "core/metrics_file.hpp"
#include "core/progress.hpp"
#include "dist/collective.hpp"
#include "dist/sharding.hpp"
#include "optim/adam.hpp"
#include "optim/checkpoint.hpp"
#include "optim/epoch.hpp"
#include "optim/flat_parameters.hpp"
#include "optim/gradient_sync.hpp"
#include "optim/schedule.hpp"
#include "squad/features_file.hpp"
#include "stages/fit.hpp"
#include "stages/phase_clock.hpp"

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
    FineTuning(const FinetuneOptions& options, std::string config, const Communicator& ranks,
               const Compute& compute, const Features& features, Model& model,
               std::vector<EpochFraction> plan)
        : options_(options),
          config_(std::move(config)),
          ranks_(ranks),
          compute_(compute),
          features_(features),
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

    void run() {
        collective_->broadcast(flat_.values().data_ptr<float>(), flat_.elements(), 0);
        started_from_ = weights_fingerprint(options_.model);
        data_fingerprint_ = features_.fingerprint();
        spdlog::info(
            "{} parameters, {} trained; {} features, {} steps an epoch, {} steps in all; gradients by {}",
            model_.parameter_count(), trained_count(), features_.count(), steps_per_epoch_, total_steps_,
            collective_->name());
        if (ranks_.is_root()) metrics_.emplace(options_.output / "metrics" / "finetune.jsonl");
        save_due(0);
        Progress progress("fine-tuning", "steps", total_steps_, !ranks_.is_root());
        for (std::int64_t step = 0; step < total_steps_; ++step) {
            const double loss = train(step);
            const double seconds = progress.seconds();
            progress.advance(1, fmt::format("loss {:.4f}, {:.1f} sequences/s, {:.0f} tokens/s", loss,
                                            static_cast<double>(sequences_) / seconds,
                                            static_cast<double>(tokens_) / seconds));
            save_due(step + 1);
        }
        const double seconds = progress.finish();
        spdlog::info("time of rank 0: {}", clock_.shares());
        if (metrics_) {
            metrics_->append({{"done", true},
                              {"seconds", seconds},
                              {"sequences", sequences_},
                              {"tokens", tokens_},
                              {"phases", clock_.all()},
                              {"ranks", ranks_.size()},
                              {"compute", compute_.text()}});
        }
    }

  private:
    std::int64_t trained_count() const {
        std::int64_t count = 0;
        for (const Parameter& parameter : model_.trainable()) count += parameter.tensor.numel();
        return count;
    }

    /// The loss a sequence contributes to the batch's, as a factor of its summed cross-entropies.
    double loss_scale(std::size_t global_batch) const {
        const double heads = options_.task == "span" && options_.loss == "mean" ? 2.0 : 1.0;
        return 1.0 / (heads * static_cast<double>(global_batch));
    }

    /// One step: forward and backward over this rank's share, the sum over ranks, one update. Returns the
    /// global loss.
    double train(std::int64_t step) {
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
        loss = ranks_.sum(loss);
        clock_.end(PhaseClock::all_reduce);
        const double norm = options_.clip > 0 ? clip_gradients(flat_, options_.clip) : gradient_norm(flat_);
        const double rate = schedule_.rate(step);
        optimizer_.step(rate);
        clock_.end(PhaseClock::optimizer);
        clock_.end_step();
        sequences_ += static_cast<std::int64_t>(global.size());
        tokens_ += tokens;
        if (metrics_) {
            const double epochs = static_cast<double>(step + 1) / static_cast<double>(steps_per_epoch_);
            metrics_->append({{"step", step + 1},
                              {"epoch", epochs},
                              {"loss", loss},
                              {"learning_rate", rate},
                              {"gradient_norm", norm},
                              {"sequences", global.size()},
                              {"tokens", tokens},
                              {"phases", clock_.step()}});
        }
        return loss;
    }

    /// Writes the checkpoints that are due after `steps` steps.
    void save_due(std::int64_t steps) {
        for (const EpochFraction& epoch : plan_) {
            if (epoch.step(steps_per_epoch_) != steps) continue;
            const auto folder = options_.output / "checkpoints" / epoch.folder_name();
            ranks_.root_only([&] {
                write_checkpoint(folder,
                                 {epoch, steps, steps_per_epoch_, options_.seed, options_.task,
                                  data_fingerprint_, "", started_from_, config_},
                                 [&](const std::filesystem::path& path) {
                                     model_.save(path);
                                     copy_tokenizer(options_.model, path);
                                 });
            });
            spdlog::info("checkpoint {} after {} steps", folder.string(), steps);
        }
    }

    static void copy_tokenizer(const std::filesystem::path& from, const std::filesystem::path& to) {
        for (const char* name :
             {"vocab.txt", "tokenizer_config.json", "tokenizer.json", "special_tokens_map.json"}) {
            if (std::filesystem::exists(from / name)) write_file(to / name, read_file(from / name));
        }
    }

    const FinetuneOptions& options_;
    std::string config_;
    const Communicator& ranks_;
    Compute compute_;
    const Features& features_;
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
    std::optional<MetricsFile> metrics_;
    std::vector<std::int64_t> order_;
    std::string started_from_;
    std::string data_fingerprint_;
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
    bv::declare(line, compute);
    line.option("force", force, "replace the checkpoints of an earlier run");
}

void finetune(const FinetuneOptions& options, const CommandLine& line, const Communicator& ranks) {
    const Compute compute = open_device(options.compute, ranks);
    const Task task = task_named(options.task);
    std::vector<EpochFraction> plan;
    std::optional<Features> features;
    std::optional<Model> model;
    ranks.agree([&] {
        plan = parse_checkpoints(options.checkpoints);
        for (const EpochFraction& epoch : plan) {
            require_absent(options.output / "checkpoints" / epoch.folder_name(), options.force);
        }
        const BertConfig config = read_bert_config(options.model);
        features = read_features(options.features);
        if (!features->labelled) fail("{} has no labels to train on", options.features.string());
        if (features->count() == 0) fail("{} holds no features", options.features.string());
        require_fit(*features, options.features, options.model, config);
        model = Model::load(options.model, task, options.seed);
    });
    model->to(compute.device, compute.precision);
    ranks.root_only([&] { write_file(options.output / "finetune.toml", line.resolved()); });
    FineTuning(options, line.resolved(), ranks, compute, *features, *model, plan).run();
}

}  // namespace bv
