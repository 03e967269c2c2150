#include "stages/train.hpp"

#include <algorithm>
#include <memory>
#include <set>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "adapter/head.hpp"
#include "adapter/head_file.hpp"
#include "core/command_line.hpp"
#include "core/files.hpp"
#include "core/log.hpp"
#include "core/metrics_file.hpp"
#include "core/progress.hpp"
#include "dist/collective.hpp"
#include "dist/sharding.hpp"
#include "dist/watchdog.hpp"
#include "optim/epoch.hpp"
#include "squad/scores.hpp"
#include "stages/head_evaluation.hpp"
#include "stages/head_trainer.hpp"
#include "stages/state_feed.hpp"
#include "stages/state_source.hpp"
#include "stages/task_states.hpp"
#include "store/reading_order.hpp"

namespace bv {
namespace {

using Json = nlohmann::ordered_json;

std::int64_t default_batch(const std::string& task) {
    return task == "span" ? 16 : 64;  // the reference's
}

/// The states to train and to score on.
struct Sources {
    std::unique_ptr<StateSource> train;
    std::unique_ptr<StateSource> dev;
};

/// A head in training and where its results go.
struct Trainee {
    std::unique_ptr<HeadTrainer> trainer;
    HeadOrigin origin;
    std::filesystem::path folder;
    std::unique_ptr<MetricsFile> metrics;  // rank 0 alone
};

std::vector<HeadDefinition> read_definitions(const TrainOptions& options) {
    std::vector<HeadDefinition> definitions;
    std::set<std::string> names;
    for (const std::string& name : options.heads) {
        definitions.push_back(find_head(name));
        const HeadDefinition& head = definitions.back();
        if (!names.insert(head.name).second) fail("--heads names {} twice", head.name);
        if (head.task != definitions.front().task) {
            fail("--heads {} is for the {} task, {} for {}: one run trains heads of one task", head.name,
                 head.task, definitions.front().name, definitions.front().task);
        }
    }
    return definitions;
}

Sources open_sources(const TrainOptions& options, const std::string& task, const Compute& compute) {
    const bool stores = !options.store.empty() && !options.dev_store.empty();
    const bool computed =
        !options.checkpoint.empty() && !options.features.empty() && !options.dev_features.empty();
    const bool both =
        (!options.store.empty() || !options.dev_store.empty()) &&
        (!options.checkpoint.empty() || !options.features.empty() || !options.dev_features.empty());
    if (both || stores == computed) {
        fail(
            "states come either from --store and --dev-store, or from --checkpoint, --features and "
            "--dev-features");
    }
    const Layers layers = options.layers == "all" ? Layers() : parse_layers(options.layers);
    if (stores)
        return {open_store(options.store, options.cache_gib, layers),
                open_store(options.dev_store, options.cache_gib, layers)};
    return {open_checkpoint(options.checkpoint, options.features, task, compute, layers),
            open_checkpoint(options.checkpoint, options.dev_features, task, compute, layers)};
}

void require_labels(const StateSource& source) {
    if (source.features().count() == 0) fail("{} holds no features", source.name());
    if (!source.features().labelled) fail("{}: its features have no labels", source.name());
}

/// One run: K heads, the states they read, and their epochs.
class HeadTraining {
  public:
    HeadTraining(const TrainOptions& options, std::string config, const Communicator& ranks,
                 const Compute& compute)
        : options_(options),
          config_(std::move(config)),
          ranks_(ranks),
          compute_(compute),
          collective_(make_collective(ranks, compute.gpu())) {
        ranks.agree([&] { prepare(); });
        ranks.root_only([&] {
            for (Trainee& trainee : trainees_) {
                std::filesystem::remove(trainee.folder / "metrics.json");  // the mark of a finished run
                write_file(trainee.folder / "config.toml", config_);
                trainee.metrics = std::make_unique<MetricsFile>(trainee.folder / "metrics.jsonl");
            }
        });
    }

    void run() {
        for (const Trainee& trainee : trainees_) {
            spdlog::info("{}: {} parameters", trainee.trainer->head().definition().name,
                         trainee.trainer->head().parameter_count());
        }
        for (std::int64_t epoch = 0; epoch < epochs_; ++epoch) {
            const Json feeding = train_epoch(epoch);
            const std::vector<Logits> logits = predict();
            ranks_.root_only([&] {
                for (std::size_t k = 0; k < trainees_.size(); ++k)
                    report(trainees_[k], epoch, feeding, losses_[k], logits[k]);
            });
        }
    }

  private:
    /// Everything a user may have got wrong.
    void prepare() {
        std::vector<HeadDefinition> definitions = read_definitions(options_);
        task_ = definitions.front().task;
        sources_ = open_sources(options_, task_, compute_);
        require_labels(*sources_.train);
        require_labels(*sources_.dev);
        epochs_ = options_.epochs > 0 ? options_.epochs : default_head_epochs(task_);
        batch_ = options_.batch > 0 ? options_.batch : default_batch(task_);
        rows_of_ = sources_.train->rows_of_features();
        const StoreInfo& info = sources_.train->info();
        for (HeadDefinition& definition : definitions) {
            Trainee trainee;
            trainee.folder = options_.output / definition.name /
                             EpochFraction::parse(info.epoch).folder_name() /
                             fmt::format("lr-{}-seed-{}{}", options_.learning_rate, options_.seed,
                                         options_.layers == "all" ? "" : "-layers-" + options_.layers);
            require_absent(trainee.folder / "metrics.json", options_.force);
            Head head(std::move(definition), info.states(), info.hidden_size, options_.seed);
            trainee.origin = {info.checkpoint,        info.epoch, info.layers, info.features, options_.seed,
                              options_.learning_rate, batch_,     epochs_,     false};
            require_fit(head, trainee.origin, *sources_.train, false);
            trainee.origin.other_checkpoint =
                require_fit(head, trainee.origin, *sources_.dev, options_.allow_other_checkpoint);
            trainee.trainer = std::make_unique<HeadTrainer>(std::move(head), options_.learning_rate,
                                                            compute_.device, *collective_);
            trainees_.push_back(std::move(trainee));
        }
    }

    /// This rank's shares of an epoch's batches; those that begin in one window are read together.
    std::vector<FeatureBatches> shares_of_rank(const std::vector<std::vector<std::int64_t>>& windows,
                                               std::int64_t steps) const {
        std::vector<std::int64_t> order;
        for (const auto& window : windows) order.insert(order.end(), window.begin(), window.end());
        std::vector<FeatureBatches> groups;
        std::int64_t step = 0;
        std::int64_t end = 0;
        for (const auto& window : windows) {
            end += static_cast<std::int64_t>(window.size());
            groups.emplace_back();
            for (; step < steps && step * batch_ < end; ++step) {
                groups.back().push_back(
                    split_by_tokens(batch_of_step(order, batch_, step), rows_of_,
                                    ranks_.size())[static_cast<std::size_t>(ranks_.rank())]);
            }
        }
        return groups;
    }

    /// One pass over the training states. Returns what the log says of its speed.
    Json train_epoch(std::int64_t epoch) {
        const std::int64_t count = sources_.train->features().count();
        const std::int64_t steps = steps_per_epoch(count, batch_);
        const auto windows = reading_windows(sources_.train->layout(), options_.seed, epoch);
        StateFeed feed(*sources_.train, shares_of_rank(windows, steps), compute_.device);
        Progress progress(fmt::format("epoch {} of {}", epoch + 1, epochs_), "sequences", count,
                          !ranks_.is_root());
        for (std::int64_t step = 0; step < steps; ++step) {
            const StateBatch share = feed.next();
            const std::int64_t global = std::min(batch_, count - step * batch_);
            for (Trainee& trainee : trainees_) trainee.trainer->step(share, global);
            progress.advance(global);
        }
        losses_.clear();
        for (Trainee& trainee : trainees_) {
            losses_.push_back(ranks_.sum(trainee.trainer->take_loss()) / static_cast<double>(count));
        }
        const double seconds = progress.finish();
        const double waiting = ranks_.max(feed.seconds_waited()) / seconds;
        spdlog::info(
            "epoch {}: {} steps of {} heads in {}, {:.0f} sequences/s, {:.1f} % of the time waiting for "
            "states",
            epoch + 1, steps, trainees_.size(), duration_text(seconds), static_cast<double>(count) / seconds,
            100 * waiting);
        return {
            {"seconds", seconds}, {"waiting_share", waiting}, {"sequences", count}, {"ranks", ranks_.size()}};
    }

    std::vector<Logits> predict() {
        std::vector<const Head*> heads;
        for (const Trainee& trainee : trainees_) heads.push_back(&trainee.trainer->head());
        return predict_heads(heads, *sources_.dev, batch_, compute_.device, ranks_, *collective_);
    }

    /// Local: scores one head's epoch; after the last, writes its results.
    void report(Trainee& trainee, std::int64_t epoch, const Json& feeding, double loss,
                const Logits& logits) const {
        const Features& features = sources_.dev->features();
        const Json scores = std::visit([&](const auto& own) { return score(features, own); }, logits);
        Json line{{"epoch", epoch + 1}, {"step", trainee.trainer->steps()}, {"loss", loss}};
        line.update(feeding);
        line.update(scores);
        trainee.metrics->append(line);
        const Head& head = trainee.trainer->head();
        spdlog::info("{}, epoch {}: loss {:.4f}, {}", head.definition().name, epoch + 1, loss,
                     summary(scores));
        if (epoch + 1 < epochs_) return;
        save_head(trainee.folder, head, trainee.origin);
        const auto path = trainee.folder / "logits.safetensors";
        std::visit([&](const auto& own) { write_logits(path, own); }, logits);
        Json metrics{{"head", head.definition().name},
                     {"task", task_},
                     {"parameters", head.parameter_count()},
                     {"epoch", trainee.origin.epoch},
                     {"dev_epoch", sources_.dev->info().epoch},
                     {"other_checkpoint", trainee.origin.other_checkpoint},
                     {"head_epochs", epochs_},
                     {"loss", loss}};
        metrics.update(scores);
        write_file(trainee.folder / "metrics.json", metrics.dump(2) + "\n");
    }

    const TrainOptions& options_;
    std::string config_;
    const Communicator& ranks_;
    Compute compute_;
    std::unique_ptr<Collective> collective_;
    std::string task_;
    Sources sources_;
    std::int64_t epochs_ = 0;
    std::int64_t batch_ = 0;
    std::vector<std::int64_t> rows_of_;
    std::vector<Trainee> trainees_;
    std::vector<double> losses_;  // of the last epoch, a sequence's mean
};

}  // namespace

std::int64_t default_head_epochs(const std::string& task) {
    return task == "span" ? 1 : 10;
}

void TrainOptions::declare(CommandLine& line) {
    line.option("store", store, "store of bv_extract to train on");
    line.option("dev-store", dev_store, "store to score on after each epoch");
    line.option("checkpoint", checkpoint,
                "instead of stores: a BERT folder to compute the states with on the way");
    line.option("features", features, "with --checkpoint: features file to train on");
    line.option("dev-features", dev_features, "with --checkpoint: features file to score on");
    line.option("heads", heads, "heads to train together: names of built-in heads, paths of TOML files")
        ->delimiter(',')
        ->required();
    line.option("output", output, "folder; results go to OUTPUT/<head>/epoch-<e>/lr-<rate>-seed-<seed>/")
        ->required();
    line.option("layers", layers,
                "hidden states to read: all there are, or a list such as 0,12,24 (0 = embedding output)");
    line.option("epochs", epochs, "passes over the training states; 0 = 1 for span, 10 for classification")
        ->check(CLI::NonNegativeNumber);
    line.option("batch", batch, "sequences a step, over all ranks; 0 = 16 for span, 64 for classification")
        ->check(CLI::NonNegativeNumber);
    line.option("learning-rate", learning_rate, "of Adam, constant")->check(CLI::PositiveNumber);
    line.option("seed", seed, "of initial weights and data order");
    line.option("cache-gib", cache_gib, "stores of at most so many GiB are read into each rank's memory once")
        ->check(CLI::NonNegativeNumber);
    line.option(
        "allow-other-checkpoint", allow_other_checkpoint,
        "score on states of another checkpoint than the training states'; head.json and metrics.json say so");
    bv::declare(line, compute);
    line.option("force", force, "replace the results of an earlier run");
}

void train(const TrainOptions& options, const CommandLine& line, const Communicator& ranks) {
    set_hang_timeout(options.compute.hang_timeout);
    const Compute compute = open_device(options.compute, ranks);
    HeadTraining(options, line.resolved(), ranks, compute).run();
}

}  // namespace bv
