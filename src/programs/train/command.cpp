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
#include "programs/shared/share_of_states.hpp"
#include "programs/shared/unchanged_checkpoint.hpp"
#include "programs/train/data.hpp"
#include "programs/train/epoch_loop.hpp"
#include "programs/train/job.hpp"
#include "programs/train/memory_plan.hpp"
#include "squad/scoring/scores.hpp"

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
            fail("--heads: {} is for the {} task, but {} is for {}; one run trains heads of one task",
                 head.name, head.task, definitions.front().name, definitions.front().task);
        }
    }
    return definitions;
}

/// Collective: the bytes that the heads of a pass may take. By default new groups take at most half of the
/// free memory, because states, their copies and evaluation need memory too. Groups of an interrupted run had
/// enough of it there: they are divided only if they need more than all free memory.
MemoryLimit memory_limit(const TrainOptions& options, at::Device device, const Communicator& ranks) {
    if (options.memory_gib > 0) {
        const double bytes = options.memory_gib * 1024 * 1024 * 1024;
        return {.fresh = bytes, .in_group = bytes};
    }
    const auto free = static_cast<double>(available_memory(device, ranks));
    return {.fresh = free / 2, .in_group = free};
}

/// Logs the memory of each pass.
void report(const std::vector<HeadPass>& passes, std::size_t heads, const Communicator& ranks) {
    if (ranks.is_root() && std::ranges::any_of(passes, &HeadPass::divided)) {
        spdlog::warn(
            "the groups in which the interrupted run computed its heads need more memory than heads may take "
            "(--memory-gib); the heads go on in smaller groups, so their results can differ from those of an "
            "undisturbed run by rounding");
    }
    if (passes.size() > 1) spdlog::info("heads: {}, in {} passes over the states", heads, passes.size());
    for (const HeadPass& pass : passes) {
        std::size_t count = 0;
        for (const std::vector<std::size_t>& group : pass.groups) count += group.size();
        spdlog::info("heads: {}, groups of similar heads: {}, memory: {} ({} kept, {} during a step)", count,
                     pass.groups.size(), size_text(static_cast<double>(pass.kept + pass.working)),
                     size_text(static_cast<double>(pass.kept)), size_text(static_cast<double>(pass.working)));
    }
}

/// Logs the memory that states take in addition to the heads.
void report(const StateMemory& memory) {
    std::vector<std::string> parts;
    const auto add = [&](fmt::format_string<std::string> words, std::int64_t bytes) {
        if (bytes > 0) parts.push_back(fmt::format(words, size_text(static_cast<double>(bytes))));
    };
    add("stores in memory {}", memory.kept);
    add("read ahead about {}", memory.read_ahead);
    add("batches {}", memory.batches);
    if (!parts.empty()) spdlog::info("memory of states, in addition: {}", fmt::join(parts, ", "));
}

/// The jobs of a pass, in its groups.
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
                "instead of stores: folder of a BERT that computes the states when they are needed");
    line.option("features", features, "with --checkpoint: features file to train on");
    line.option("dev-features", dev_features, "with --checkpoint: features file to score on");
    line.option(
        "held-out-store", held_out_store,
        "store of held-out questions, to use in place of --held-out; bv_prepare --hold-out makes their "
        "features");
    line.option("held-out-features", held_out_features,
                "with --checkpoint: features file of held-out questions, to use in place of --held-out");
    line.option("heads", heads,
                "heads to train together, all for span (where is the answer?) or all for classification "
                "(does the question have an answer? class 1 = no answer): names of built-in heads, or paths "
                "of TOML files; a head with each_layer = true is trained on every hidden state separately")
        .delimiter(',')
        .required();
    line.option("learning-rate", learning_rates,
                "constant learning rate of Adam; the default is that of the reference, and "
                "configs/modern.toml uses it too; if there are several, each head is trained at each of them")
        .delimiter(',')
        .check(above_0());
    line.option("seed", seeds,
                "seed of initial values and dropout; if there are several, each head is trained with each of "
                "them")
        .delimiter(',')
        .check(within(0, kLargestSeed));
    line.option("data-seed", data_seed,
                "seed of the order of the data, which is the same for all heads, and of the questions that "
                "--held-out and --share choose");
    line.option("output", output,
                "output folder; the results of a head go to "
                "OUTPUT/<head>/epoch-<e>/lr-<rate>-seed-<seed>[-layer-<l>|-layers-<list>][-share-<s>]"
                "[-shuffled-labels]/")
        .required();
    line.option("layers", layers,
                "hidden states to read: all, or a list such as 0,12,24, where 0 is the embedding output");
    line.option("share", shares,
                "shares of the training questions, such as 0.1,0.5,1; each head is trained on each share, in "
                "a separate pass; --data-seed chooses the questions, and a larger share has all questions of "
                "a smaller one")
        .delimiter(',')
        .check(within(0, 1));
    line.option("shuffle-labels", shuffle_labels,
                "a control: train on labels that are shuffled among the training questions by --data-seed; "
                "held-out and dev questions keep theirs, so the scores show how well labels are guessed by "
                "their frequencies alone");
}

void TrainOptions::declare_training(CommandLine& line) {
    line.option("epochs", epochs,
                "passes over the training states; 0 means 1 for span and 10 for classification")
        .check(at_least(0));
    line.option("batch", batch,
                "sequences in a step, over all ranks; 0 means 16 for span and 64 for classification")
        .check(at_least(0));
    line.option("cache-gib", cache_gib,
                "a store of at most this many GiB is read once and kept in the memory of each rank")
        .check(at_least(0));
    line.option(
            "memory-gib", memory_gib,
            "largest memory of a rank for heads, in GiB; if the heads need more, they are trained in several "
            "passes over the states; 0 means half of the memory that is free when training begins; heads of "
            "an interrupted run go on in their groups, unless these take more than this, or with 0 more than "
            "all free memory")
        .check(at_least(0));
    line.option("held-out", held_out,
                "share of the training questions on which heads are scored and not trained; the epoch with "
                "the best --eval-metric on them is kept; without held-out questions the last epoch is kept")
        .check(within(0, 1));
    line.option("eval-metric", eval_metric,
                "with held-out questions: metric that decides which epoch is best: em, f1 or best_f1 (span), "
                "accuracy or f1 (classification)")
        .one_of(eval_metrics());
    line.option("patience", patience,
                "with held-out questions: the training of a head ends when this many epochs in a row have no "
                "better --eval-metric than the best before them; 0 means that all --epochs are trained")
        .check(at_least(0));
    line.option(
            "resume-every", resume_every,
            "minutes between saved states, from which a stopped run can go on; with 0 a state is saved only "
            "on the stop signal (SIGUSR1; under srun also SIGTERM) and when one of several heads ends")
        .check(at_least(0));
    line.option("allow-other-checkpoint", allow_other_checkpoint,
                "allow dev states of another checkpoint than that of the training states (head.json and "
                "metrics.json record this), and stores whose checkpoint has changed since they were made");
    bv::declare(line, compute);
    line.option("force", force,
                "replace the results of an earlier run; an interrupted run of the same recipe still goes on");
}

void train(const TrainOptions& options, const CommandLine& line, const Communicator& ranks) {
    set_hang_timeout(options.compute.hang_timeout);
    Compute compute = open_device(options.compute, ranks);
    std::optional<HeadData> data;
    std::vector<HeadJob> jobs;
    ranks.agree([&] {
        if (options.patience > 0 && !options.holds_out())
            fail("--patience needs held-out questions: give --held-out or --held-out-store");
        const std::vector<HeadDefinition> definitions = read_definitions(options);
        const Task task = definitions.front().task;
        if (options.holds_out()) EvaluationHistory(task, options.eval_metric, options.patience);
        data.emplace(options, task, compute.device);
        jobs = list_jobs(options, definitions, *data);
    });
    for (const StateSource* source : data->opened()) require_same_states(*source, ranks);
    ranks.root_only([&] {
        if (options.store.empty()) return;
        for (const StateSource* store : data->opened())
            require_unchanged_checkpoint(store->info(), store->name(), options.allow_other_checkpoint);
    });
    // Each head's folder has its own lock: another job may train other heads into the same output folder.
    // The newest lock stands in front and is freed first: the oldest one may have made the folders above, and
    // removes them only when they are empty.
    std::list<std::pair<std::filesystem::path, OutputLock>> locks;
    ranks.root_only([&] {
        for (const HeadJob& job : jobs) locks.emplace_front(job.folder, OutputLock::of_folder(job.folder));
    });
    jobs = unfinished(std::move(jobs), options, ranks);
    std::erase_if(locks, [&](const auto& lock) {
        return std::ranges::find(jobs, lock.first, &HeadJob::folder) == jobs.end();
    });
    if (jobs.empty()) return;
    ranks.root_only([&] { data->warn_of_questions(); });
    if (!options.checkpoint.empty()) {
        std::string precision;
        ranks.agree([&] { precision = precision_of(jobs); });
        choose_precision(compute, options.compute.precision,
                         {.unfinished = precision, .checkpoint = options.checkpoint},
                         read_bert_config(options.checkpoint), ranks);
        data->multiply_in(compute.precision);
        for (HeadJob& job : jobs) job.recipe["precision"] = compute.precision_name();
    }
    Collective& collective = make_collective(ranks, compute.gpu());
    measure_memory(jobs, *data, compute.device, ranks, collective);
    const MemoryLimit limit = memory_limit(options, compute.device, ranks);
    std::vector<HeadPass> passes;
    ranks.agree([&] { passes = plan_passes(jobs, limit); });
    report(passes, jobs.size(), ranks);
    report(memory_of_states(jobs, *data, compute.device, ranks));
    if (data->dev().info().task == Task::span) spdlog::info("{}", kScorersExplained);
    for (std::size_t pass = 0; pass < passes.size(); ++pass) {
        const std::string label =
            passes.size() == 1 ? "" : fmt::format("pass {} of {}, ", pass + 1, passes.size());
        HeadTraining(options, ranks, compute, collective, *data, jobs_of(passes[pass], jobs), label)
            .run(line.resolved());
    }
}

}  // namespace bv
