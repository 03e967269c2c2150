#include "programs/train/command.hpp"

#include <algorithm>
#include <list>
#include <set>
#include <utility>

#include <fmt/ranges.h>

#include "bert/config.hpp"
#include "comm/collective.hpp"
#include "comm/watchdog.hpp"
#include "config/command_line.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/size_text.hpp"
#include "device/available_memory.hpp"
#include "heads/head_definition.hpp"
#include "io/output_lock.hpp"
#include "programs/shared/evaluation_history.hpp"
#include "programs/shared/precision.hpp"
#include "programs/train/data.hpp"
#include "programs/train/epoch_loop.hpp"
#include "programs/train/job.hpp"
#include "programs/train/memory_plan.hpp"

namespace bv {
namespace {

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

/// Collective: bytes that the heads of a pass may take, 0 = no limit. States, their copies and evaluation
/// want memory too.
double memory_limit(const TrainOptions& options, at::Device device, const Communicator& ranks) {
    if (options.memory_gib > 0) return options.memory_gib * 1024 * 1024 * 1024;
    return static_cast<double>(available_memory(device, ranks)) / 2;
}

/// What each pass takes, for the log.
void report(const std::vector<HeadPass>& passes, std::size_t heads) {
    if (passes.size() > 1) spdlog::info("heads: {}, in {} passes over the states", heads, passes.size());
    for (const HeadPass& pass : passes) {
        std::size_t count = 0;
        for (const std::vector<std::size_t>& group : pass.groups) count += group.size();
        spdlog::info("heads: {}, groups of alike ones: {}, memory: {} ({} kept, {} during a step)", count,
                     pass.groups.size(), size_text(static_cast<double>(pass.kept + pass.working)),
                     size_text(static_cast<double>(pass.kept)), size_text(static_cast<double>(pass.working)));
    }
}

/// What states take beside them, for the log.
void report(const StateMemory& memory) {
    std::vector<std::string> parts;
    const auto add = [&](fmt::format_string<std::string> words, std::int64_t bytes) {
        if (bytes > 0) parts.push_back(fmt::format(words, size_text(static_cast<double>(bytes))));
    };
    add("stores in memory {}", memory.kept);
    add("read ahead about {}", memory.read_ahead);
    add("batches {}", memory.batches);
    if (!parts.empty()) spdlog::info("states beside them: {}", fmt::join(parts, ", "));
}

/// The jobs of a pass, group by group.
AlikeJobs jobs_of(const HeadPass& pass, const std::vector<HeadJob>& jobs) {
    AlikeJobs all;
    for (const std::vector<std::size_t>& group : pass.groups) {
        all.emplace_back();
        for (const std::size_t place : group) all.back().push_back(jobs[place]);
    }
    return all;
}

}  // namespace

std::int64_t default_head_epochs(Task task) {
    return task == Task::span ? 1 : 10;
}

void TrainOptions::declare(CommandLine& line) {
    declare_heads_and_data(line);
    declare_training(line);
}

void TrainOptions::declare_heads_and_data(CommandLine& line) {
    line.option("store", store, "store of bv_extract to train on");
    line.option("dev-store", dev_store, "store to score on after each epoch");
    line.option("checkpoint", checkpoint,
                "instead of stores: a BERT folder to compute the states with on the way");
    line.option("features", features, "with --checkpoint: features file to train on");
    line.option("dev-features", dev_features, "with --checkpoint: features file to score on");
    line.option("heads", heads,
                "heads to train together, all for span (where is the answer?) or all for classification (has "
                "the question an answer? class 1 = no answer): names of built-in heads, paths of TOML files; "
                "one with each_layer = true is trained on every hidden state by itself")
        .delimiter(',')
        .required();
    line.option("learning-rate", learning_rates,
                "of Adam, constant; the default is the reference's, which configs/modern.toml keeps; of "
                "several, each head is trained at each")
        .delimiter(',')
        .check(above_0());
    line.option("seed", seeds, "of initial values and dropout; of several, each head is trained with each")
        .delimiter(',');
    line.option("data-seed", data_seed,
                "of the order of the data, which all heads share, of --held-out and of --share");
    line.option("output", output,
                "folder; results go to "
                "OUTPUT/<head>/epoch-<e>/lr-<rate>-seed-<seed>[-layer-<l>|-layers-<list>][-share-<s>]/")
        .required();
    line.option("layers", layers,
                "hidden states to read: all there are, or a list such as 0,12,24 (0 = embedding output)");
    line.option(
            "share", shares,
            "shares of the training questions, such as 0.1,0.5,1: each head is trained on each, in a pass of "
            "its own; the larger hold the smaller, whole questions drawn by --data-seed")
        .delimiter(',')
        .check(within(0, 1));
}

void TrainOptions::declare_training(CommandLine& line) {
    line.option("epochs", epochs, "passes over the training states; 0 = 1 for span, 10 for classification")
        .check(at_least(0));
    line.option("batch", batch, "sequences a step, over all ranks; 0 = 16 for span, 64 for classification")
        .check(at_least(0));
    line.option("cache-gib", cache_gib, "stores of at most so many GiB are read into each rank's memory once")
        .check(at_least(0));
    line.option("memory-gib", memory_gib,
                "most memory of a rank for heads: too many for it are trained in several passes over the "
                "states; 0 = half of what is free as training begins")
        .check(at_least(0));
    line.option(
            "held-out", held_out,
            "share of the training questions, whole ones, that heads are judged by instead of trained on: "
            "the best epoch by --eval-metric is kept; 0 keeps the last")
        .check(within(0, 1));
    line.option("eval-metric", eval_metric,
                "with --held-out: em, f1 or best_f1 (span), accuracy or f1 (classification)")
        .one_of({"em", "f1", "best_f1", "accuracy"});
    line.option("patience", patience,
                "with --held-out: a head's training ends after so many epochs in a row without a better "
                "--eval-metric; 0 trains all --epochs")
        .check(at_least(0));
    line.option(
            "resume-every", resume_every,
            "minutes between states to resume from; 0 saves one only on the stop signal (SIGUSR1; under srun "
            "SIGTERM too) and after heads have left a group")
        .check(at_least(0));
    line.option(
        "allow-other-checkpoint", allow_other_checkpoint,
        "score on states of another checkpoint than the training states', which head.json and metrics.json "
        "say; take stores whose checkpoint has changed since they were made");
    bv::declare(line, compute);
    line.option("force", force,
                "replace the results of an earlier run; one of the same recipe that was cut short goes on");
}

void train(const TrainOptions& options, const CommandLine& line, const Communicator& ranks) {
    set_hang_timeout(options.compute.hang_timeout);
    Compute compute = open_device(options.compute, ranks);
    std::optional<HeadData> data;
    std::vector<HeadJob> jobs;
    ranks.agree([&] {
        if (options.patience > 0 && options.held_out == 0) fail("--patience needs --held-out");
        const std::vector<HeadDefinition> definitions = read_definitions(options);
        const Task task = definitions.front().task;
        if (options.held_out > 0) EvaluationHistory(task, options.eval_metric, options.patience);
        data.emplace(options, task, compute.device);
        jobs = list_jobs(options, definitions, *data);
    });
    // Of each head by itself: others may be trained into the same folder meanwhile.
    // The last one taken stands in front and is freed first: the first one may have made the folders above.
    std::list<std::pair<std::filesystem::path, OutputLock>> locks;
    ranks.root_only([&] {
        for (const HeadJob& job : jobs) locks.emplace_front(job.folder, OutputLock::of_folder(job.folder));
    });
    jobs = unfinished(std::move(jobs), options, ranks);
    std::erase_if(locks, [&](const auto& lock) {
        return std::ranges::find(jobs, lock.first, &HeadJob::folder) == jobs.end();
    });
    if (jobs.empty()) return;
    if (!options.checkpoint.empty()) {
        std::string precision;
        ranks.agree([&] { precision = precision_of(jobs); });
        choose_precision(compute, options.compute.precision, precision, read_bert_config(options.checkpoint),
                         ranks);
        data->multiply_in(compute.precision);
        for (HeadJob& job : jobs) job.recipe["precision"] = compute.precision_name();
    }
    Collective& collective = make_collective(ranks, compute.gpu());
    measure_memory(jobs, *data, compute.device, ranks, collective);
    const double limit = memory_limit(options, compute.device, ranks);
    std::vector<HeadPass> passes;
    ranks.agree([&] { passes = plan_passes(jobs, limit); });
    report(passes, jobs.size());
    report(memory_of_states(jobs, *data, compute.device, ranks));
    for (std::size_t pass = 0; pass < passes.size(); ++pass) {
        const std::string label =
            passes.size() == 1 ? "" : fmt::format("pass {} of {}, ", pass + 1, passes.size());
        HeadTraining(options, ranks, compute, collective, *data, jobs_of(passes[pass], jobs), label)
            .run(line.resolved());
    }
}

}  // namespace bv
