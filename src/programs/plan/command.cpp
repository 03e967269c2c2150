#include "programs/plan/command.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include <nlohmann/json.hpp>

#include "comm/watchdog.hpp"
#include "config/command_line.hpp"
#include "config/numbers.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/progress.hpp"
#include "core/size_text.hpp"
#include "core/standard_streams.hpp"
#include "io/files.hpp"
#include "io/output_lock.hpp"
#include "programs/plan/measured_rates.hpp"
#include "programs/plan/study.hpp"
#include "programs/plan/study_costs.hpp"
#include "programs/shared/precision.hpp"
#include "programs/train/command.hpp"
#include "squad/features/features_file.hpp"
#include "squad/features/known_files.hpp"

namespace bv {
namespace {

using Json = nlohmann::ordered_json;

/// SQuAD 2.0 with the reference's windows.
StudyData squad() {
    constexpr std::int64_t kTokens = 171;  // of a feature, on average
    return {kSquadTrain.features, kSquadTrain.features * kTokens, kSquadDev.features,
            kSquadDev.features * kTokens};
}

/// Adds the features of the held-out questions, which are a share of all training questions.
StudyData with_held_out(StudyData data, double share) {
    const double times = share / (1 - share);
    data.held_features = std::llround(times * static_cast<double>(data.train_features));
    data.held_tokens = std::llround(times * static_cast<double>(data.train_tokens));
    return data;
}

/// Throws Error if a value stands twice in the list of this flag.
template <class T>
void require_different(const char* flag, std::vector<T> values) {
    std::ranges::sort(values);
    const auto twice = std::ranges::adjacent_find(values);
    if (twice != values.end()) fail("{} names {} twice", flag, *twice);
}

/// The study, or the part of it that the flags choose.
Study study_of(const PlanOptions& options) {
    Study study = read_study(options.study);
    if (!options.tasks.empty()) study.tasks.clear();
    for (const std::string& task : options.tasks) study.tasks.push_back(parse<Task>(task));
    require_different("--task", options.tasks);
    if (!options.seeds.empty()) study.seeds = options.seeds;
    require_different("--seed", options.seeds);
    if (options.states_at.empty()) return study;
    study.states_at = parse_checkpoints(options.states_at);
    for (const EpochFraction& epoch : study.states_at) {
        if (std::ranges::find(study.checkpoints, epoch) == study.checkpoints.end())
            fail("--epoch: found {}, at which {} keeps no checkpoint", epoch.text(), options.study.string());
    }
    return study;
}

/// The numbers of features and tokens. bv_prepare left held-out questions out of --features.
StudyData data_of(const PlanOptions& options, double hold_out) {
    if (options.features.empty() != options.dev_features.empty()) {
        fail("--features and --dev-features go together");
    }
    if (options.features.empty()) {
        StudyData all = squad();
        all.train_features = std::llround((1 - hold_out) * static_cast<double>(all.train_features));
        all.train_tokens = std::llround((1 - hold_out) * static_cast<double>(all.train_tokens));
        return with_held_out(all, hold_out);
    }
    const Features train = read_features(options.features);
    const Features dev = read_features(options.dev_features);
    if (train.count() == 0) fail("{} holds no features", options.features.string());
    if (dev.count() == 0) fail("{} holds no features", options.dev_features.string());
    return with_held_out({train.count(), train.tokens(), dev.count(), dev.tokens()}, hold_out);
}

/// A study, the data that its costs depend on, and the costs.
struct Planned {
    Study study;
    BertConfig config;
    StudyData data;
    StudyRates rates;
    std::int64_t ranks = 0;
    std::vector<TaskCosts> costs;
    StudySpace space;

    double gpu_hours(double seconds) const { return seconds / 3600 * static_cast<double>(ranks); }
    bool timed() const { return rates.tuned_tokens > 0 && rates.encoded_tokens > 0; }
};

std::string head_text(const PlanOptions& options, const Planned& plan) {
    std::string text =
        fmt::format("{} on {} rank{}\n", options.study.string(), plan.ranks, plan.ranks == 1 ? "" : "s");
    text += fmt::format("  model     {}: {} layers of width {}, {:.1f} million parameters\n",
                        options.model.empty() ? "BERT-Large" : options.model.string(), plan.config.layers,
                        plan.config.hidden_size, static_cast<double>(parameter_count(plan.config)) * 1e-6);
    text += fmt::format(
        "  data      {}{} training and {} dev features, of {:.0f} and {:.0f} tokens on average\n",
        options.features.empty() ? "SQuAD 2.0 as in the reference: " : "", plan.data.train_features,
        plan.data.dev_features,
        static_cast<double>(plan.data.train_tokens) / static_cast<double>(plan.data.train_features),
        static_cast<double>(plan.data.dev_tokens) / static_cast<double>(plan.data.dev_features));
    text += fmt::format("  states    {} in {}, at {} of {} checkpoints, {} seed{}\n",
                        plan.study.layers ? "layers " + layers_text(plan.study.layers) : "all",
                        plan.study.dtype, plan.study.states_at.size(), plan.study.checkpoints.size(),
                        plan.study.seeds.size(), plan.study.seeds.size() == 1 ? "" : "s");
    if (!plan.timed()) {
        return text +
               "  rates     unknown: --measure measures them here; or give them by --train-rate, "
               "--encode-rate, --write-rate and --read-rate\n";
    }
    return text + fmt::format(
                      "  rates     {}: fine-tuning {:.0f} and encoding {:.0f} tokens/s, disk {}/s written "
                      "and {}/s read\n",
                      options.measure ? "measured" : "given", plan.rates.tuned_tokens,
                      plan.rates.encoded_tokens, size_text(plan.rates.written_bytes),
                      size_text(plan.rates.read_bytes));
}

/// One line of the table: `what` names a kind of work or of file, `count` is their number, and `bytes` and
/// `seconds` are the costs of one. The line has the costs of all too.
std::string line_text(const std::string& what, std::int64_t count, std::int64_t bytes, double seconds,
                      const Planned& plan) {
    std::string text = fmt::format("    {:<34} {:>5} x {:>9} {:>9}", what, count,
                                   bytes > 0 ? size_text(static_cast<double>(bytes)) : "",
                                   seconds > 0 ? duration_text(seconds) : "");
    if (bytes > 0) text += fmt::format("  = {:>9}", size_text(static_cast<double>(count * bytes)));
    if (seconds > 0) {
        text += fmt::format("  = {}, {:.1f} GPU hours", duration_text(static_cast<double>(count) * seconds),
                            plan.gpu_hours(static_cast<double>(count) * seconds));
    }
    return text + "\n";
}

std::string task_text(const TaskCosts& cost, const Planned& plan) {
    const auto seeds = static_cast<std::int64_t>(plan.study.seeds.size());
    std::string text = fmt::format("  {}\n", cost.task);
    const auto add = [&](const std::string& what, std::int64_t count, std::int64_t bytes, double seconds) {
        text += line_text(what, count, bytes, seconds, plan);
    };
    add(fmt::format("fine-tuning to epoch {}", plan.study.checkpoints.back().text()), seeds, 0, cost.tuning);
    add("checkpoints, and their evaluation", cost.checkpoints, cost.checkpoint, cost.evaluation);
    add("results of these evaluations", cost.checkpoints, cost.evaluation_files, 0);
    if (cost.stores == 0) return text;
    add("stores of training states", cost.stores, cost.train_store, 0);
    add("stores of dev states", cost.stores, cost.dev_store, 0);
    if (cost.held_store > 0) add("stores of held-out states", cost.stores, cost.held_store, 0);
    if (cost.heads > 0)
        add(fmt::format("files of {} head{}", cost.heads, cost.heads == 1 ? "" : "s"), cost.stores,
            cost.head_files, 0);
    if (!plan.timed()) return text;
    add(fmt::format("extraction ({} is slower)", cost.disk_bound ? "the disk" : "the encoder"), cost.stores,
        0, cost.extraction);
    const std::int64_t passes = plan.study.head_epochs(cost.task);
    const std::string times = fmt::format("{} pass{}", passes, passes == 1 ? "" : "es");
    add("heads from stores, " + times, cost.stores, 0, cost.heads_stored);
    add("heads without stores, " + times, cost.stores, 0, cost.heads_recomputed);
    const double stored = cost.extraction + cost.heads_stored;
    return text + fmt::format("    {}: {} with stores, {} without (bv_train --checkpoint)\n",
                              stored < cost.heads_recomputed
                                  ? "storing the states is quicker"
                                  : "computing the states again for each pass is quicker",
                              duration_text(stored), duration_text(cost.heads_recomputed));
}

double all_seconds(const Planned& plan) {
    double seconds = 0;
    for (const TaskCosts& cost : plan.costs) {
        seconds += static_cast<double>(plan.study.seeds.size()) * cost.tuning +
                   static_cast<double>(cost.checkpoints) * cost.evaluation +
                   static_cast<double>(cost.stores) * (cost.extraction + cost.heads_stored);
    }
    return seconds;
}

std::string text_of(const PlanOptions& options, const Planned& plan) {
    std::string text = head_text(options, plan);
    for (const TaskCosts& cost : plan.costs) text += task_text(cost, plan);
    text += fmt::format(
        "  in all    {} on disk at the end, {} at most{}\n", size_text(static_cast<double>(plan.space.kept)),
        size_text(static_cast<double>(plan.space.most)),
        plan.study.keep_stores
            ? " ([study] keep_stores = false deletes a store when its heads are trained)"
            : ", with the stores of one checkpoint at a time (jobs that run at the same time need more)");
    if (!plan.timed()) return text;
    const double seconds = all_seconds(plan);
    return text + fmt::format(
                      "            {}, {:.1f} GPU hours, with stores; more if the heads compute for longer "
                      "than the disk takes to read the states\n",
                      duration_text(seconds), plan.gpu_hours(seconds));
}

Json as_json(const Planned& plan) {
    Json tasks = Json::object();
    for (const TaskCosts& cost : plan.costs) {
        tasks[to_string(cost.task)] = {{"checkpoint_bytes", cost.checkpoint},
                                       {"checkpoints", cost.checkpoints},
                                       {"evaluation_bytes", cost.evaluation_files},
                                       {"heads", cost.heads},
                                       {"head_bytes", cost.head_files},
                                       {"train_store_bytes", cost.train_store},
                                       {"dev_store_bytes", cost.dev_store},
                                       {"held_out_store_bytes", cost.held_store},
                                       {"store_pairs", cost.stores},
                                       {"tuning_seconds", cost.tuning},
                                       {"evaluation_seconds", cost.evaluation},
                                       {"extraction_seconds", cost.extraction},
                                       {"heads_stored_seconds", cost.heads_stored},
                                       {"heads_recomputed_seconds", cost.heads_recomputed}};
    }
    return {{"ranks", plan.ranks},           {"tasks", tasks},
            {"bytes_kept", plan.space.kept}, {"bytes_at_most", plan.space.most},
            {"seconds", all_seconds(plan)},  {"gpu_hours", plan.gpu_hours(all_seconds(plan))}};
}

}  // namespace

void PlanOptions::declare(CommandLine& line) {
    line.option("model", model, "folder of a BERT; only its config.json is read [BERT-Large]");
    line.option("features", features, "features file to train on [the numbers of SQuAD 2.0]");
    line.option("dev-features", dev_features, "features file to score on");
    line.option("task", tasks, "plan these tasks, such as span,classification [those of the study]")
        .delimiter(',');
    line.option("seed", seeds, "plan these seeds [those of the study]")
        .delimiter(',')
        .check(within(0, kLargestSeed));
    line.option("epoch", states_at,
                "plan states and heads of these checkpoints, such as 0.3,1 [states_at of the study]");
    line.option("measure", measure,
                "measure the rates of these ranks and of the disk of --folder, in half a minute");
    line.option(
        "folder", folder,
        "folder on the disk for the study's results; --measure writes and reads a file of one GiB there");
    line.option("train-rate", tuned_tokens,
                "tokens per second that one rank fine-tunes on; replaces the measured rate")
        .check(zero_or(0.001));
    line.option("encode-rate", encoded_tokens,
                "tokens per second that one rank encodes; replaces the measured rate")
        .check(zero_or(0.001));
    line.option("write-rate", write_mbps,
                "MB per second that all ranks together write to the disk; replaces the measured rate")
        .check(zero_or(0.001));
    line.option("read-rate", read_mbps,
                "MB per second that all ranks together read from the disk; replaces the measured rate")
        .check(zero_or(0.001));
    line.option("ranks", plan_ranks,
                "number of ranks (GPUs) for the study; 0 means the number of ranks of bv_plan itself")
        .check(at_least(0));
    line.option("output", output, "JSON file for the results").output_file();
    line.option("print", print,
                "for scripts: print only the table [study], with its defaults, as assignments for a shell");
    bv::declare(line, compute);
    line.option("force", force, "replace an existing --output");
}

void plan(const PlanOptions& options, const Communicator& ranks) {
    set_hang_timeout(options.compute.hang_timeout);
    std::optional<OutputLock> lock;
    ranks.root_only([&] {
        if (!options.output.empty()) lock.emplace(OutputLock::of_file(options.output));
    });
    Planned plan;
    ranks.agree([&] {
        if (options.study.empty()) fail("--config is missing; it names the study to plan");
        plan.study = study_of(options);
        plan.config = options.model.empty() ? bert_large() : read_bert_config(options.model);
        if (!options.model.empty()) require_states(plan.study, plan.config);
        if (options.print) return;
        plan.data = data_of(options, plan.study.hold_out);
        if (!options.output.empty()) require_absent(options.output, options.force);
        study_costs(plan.study, plan.config, plan.data, {});  // names a head that does not fit the model
    });
    if (options.print) return ranks.root_only([&] { print_results(shell_text(plan.study)); });
    plan.ranks = options.plan_ranks > 0 ? options.plan_ranks : ranks.size();
    const auto share = static_cast<double>(plan.ranks);
    if (options.measure) {
        const std::int64_t tokens = plan.data.train_tokens / plan.data.train_features;
        Compute compute = open_device(options.compute, ranks);
        choose_precision(compute, options.compute.precision, {}, plan.config, ranks);
        const std::int64_t sequences = std::max<std::int64_t>(1, plan.study.batch / plan.ranks);
        plan.rates = measure_rates(plan.config, tokens, sequences, options.folder, compute, ranks);
        plan.rates.tuned_tokens *= share / ranks.size();
        plan.rates.encoded_tokens *= share / ranks.size();
    }
    if (options.tuned_tokens > 0) plan.rates.tuned_tokens = options.tuned_tokens * share;
    if (options.encoded_tokens > 0) plan.rates.encoded_tokens = options.encoded_tokens * share;
    if (options.write_mbps > 0) plan.rates.written_bytes = options.write_mbps * 1e6;
    if (options.read_mbps > 0) plan.rates.read_bytes = options.read_mbps * 1e6;
    plan.rates.cached_bytes = TrainOptions().cache_gib * 1024 * 1024 * 1024;
    plan.costs = study_costs(plan.study, plan.config, plan.data, plan.rates);
    plan.space = study_space(plan.study, plan.costs);
    ranks.root_only([&] {
        if (!options.output.empty()) write_file(options.output, as_json(plan).dump(2) + "\n");
        print_results(text_of(options, plan));
    });
}

}  // namespace bv
