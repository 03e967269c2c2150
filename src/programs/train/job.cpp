#include "programs/train/job.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "io/files.hpp"
#include "optim/epoch.hpp"
#include "programs/shared/head_folder.hpp"
#include "programs/shared/head_logits.hpp"
#include "programs/train/command.hpp"
#include "programs/train/data.hpp"
#include "programs/train/run_files.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::int64_t default_batch(Task task) {
    return task == Task::span ? 16 : 64;  // as in the reference
}

template <class T>
void require_different(const char* flag, const std::vector<T>& values) {
    std::set<T> seen;
    for (const T& value : values) {
        if (!seen.insert(value).second) fail("--{} names {} twice", flag, value);
    }
}

Json recipe_of(const HeadJob& job, const HeadData& data, const TrainOptions& options) {
    const StoreInfo& states = data.train().info();
    Json recipe{{"definition", fingerprint(job.definition.text)},
                {"checkpoint", states.checkpoint},
                {"features", states.features},
                {"layers", job.origin.layers},
                {"dtype", name_of(states.dtype)},
                {"order", data.order_fingerprint()},
                {"dev_checkpoint", data.dev().info().checkpoint},
                {"dev_features", data.dev().info().features},
                {"seed", job.origin.seed},
                {"learning_rate", job.origin.learning_rate},
                {"batch", job.origin.batch},
                {"epochs", job.origin.epochs},
                {"held_out", job.origin.held_out}};
    // States that are computed when they are needed have no precision yet. With auto it comes from an earlier
    // run, or it is chosen later.
    const std::string precision =
        options.checkpoint.empty() ? std::string(name_of(states.precision)) : options.compute.precision;
    if (precision != "auto") recipe["precision"] = precision;
    if (job.origin.share < 1) recipe["share"] = job.origin.share;
    if (job.origin.shuffled_labels) recipe["shuffled_labels"] = true;
    if (!job.origin.held_out_features.empty()) recipe["held_out_features"] = job.origin.held_out_features;
    if (options.holds_out()) {
        recipe["eval_metric"] = options.eval_metric;
        recipe["patience"] = options.patience;
    }
    return recipe;
}

/// The layers that each head of a definition reads: one head reads them all, or each layer has its own head.
std::vector<std::vector<std::int64_t>> layers_of_heads(const HeadDefinition& definition,
                                                       const std::vector<std::int64_t>& layers) {
    if (!definition.each_layer) return {layers};
    std::vector<std::vector<std::int64_t>> each;
    each.reserve(layers.size());
    for (const std::int64_t layer : layers) each.push_back({layer});
    return each;
}

/// The last part of the path of a head's folder: it names the settings in which heads of one definition and
/// epoch differ.
std::string variant_of(const HeadJob& job, const Layers& layers) {
    std::string name = fmt::format("lr-{}-seed-{}", job.origin.learning_rate, job.origin.seed);
    if (job.definition.each_layer) {
        name += fmt::format("-layer-{:02}", job.origin.layers.front());
    } else if (layers) {
        name += "-layers-" + layers_text(layers);
    }
    if (job.origin.share < 1) name += fmt::format("-share-{}", job.origin.share);
    if (job.origin.shuffled_labels) name += "-shuffled-labels";
    return name;
}

}  // namespace

std::string HeadJob::name() const {
    std::string text = fmt::format("{}, lr {}, seed {}", definition.name, origin.learning_rate, origin.seed);
    if (definition.each_layer) text += fmt::format(", layer {}", origin.layers.front());
    if (origin.share < 1) text += fmt::format(", share {}", origin.share);
    if (origin.shuffled_labels) text += ", shuffled labels";
    return text;
}

std::vector<HeadJob> list_jobs(const TrainOptions& options, const std::vector<HeadDefinition>& definitions,
                               const HeadData& data) {
    require_different("learning-rate", options.learning_rates);
    require_different("seed", options.seeds);
    require_different("share", options.shares);
    const Layers chosen = parse_layers(options.layers);
    const StoreInfo& info = data.train().info();
    HeadOrigin origin{
        .checkpoint = info.checkpoint,
        .epoch = info.epoch,
        .features = info.features,
        .data_seed = options.data_seed,
        .held_out = options.held_out,
        .held_out_features = options.holds_out_elsewhere() ? data.held_out()->info().features : "",
        .shuffled_labels = options.shuffle_labels,
        .batch = options.batch > 0 ? options.batch : default_batch(info.task),
        .epochs = options.epochs > 0 ? options.epochs : default_head_epochs(info.task)};
    const fs::path epoch = EpochFraction::parse(info.epoch).folder_name();
    std::vector<HeadJob> jobs;
    for (const HeadDefinition& definition : definitions) {
        for (const auto& layers : layers_of_heads(definition, info.layers)) {
            HeadJob job{.definition = definition, .origin = origin};
            job.origin.layers = layers;
            job.states = definition.each_layer ? 1 : info.states();
            const Head head(definition, job.states, info.hidden_size, {0});
            require_head_fits(head, job.origin, data.train(), false);
            job.origin.other_checkpoint =
                require_head_fits(head, job.origin, data.dev(), options.allow_other_checkpoint);
            if (options.holds_out_elsewhere()) require_head_fits(head, job.origin, *data.held_out(), false);
            job.first_state = first_state(head, job.origin, info);
            for (const double rate : options.learning_rates) {
                for (const std::uint64_t seed : options.seeds) {
                    for (const double share : options.shares) {
                        job.origin.learning_rate = rate;
                        job.origin.seed = seed;
                        job.origin.share = share;
                        job.folder = options.output / definition.name / epoch / variant_of(job, chosen);
                        job.recipe = recipe_of(job, data, options);
                        jobs.push_back(job);
                    }
                }
            }
        }
    }
    return jobs;
}

std::vector<HeadJob> unfinished(std::vector<HeadJob> jobs, const TrainOptions& options,
                                const Communicator& ranks) {
    Json found = Json::array();  // for each job: whether it is finished, its state and its precision
    ranks.root_only([&] {
        std::vector<fs::path> folders;
        for (const HeadJob& job : jobs) folders.push_back(job.folder);
        finish_head_states(options.output, folders);
        for (const HeadJob& job : jobs) {
            const EarlierHeadRun earlier = find_earlier_head_run(job.folder, job.recipe, options.force);
            if (earlier.finished) {
                HeadFiles(job.folder).remove_states();
                const bool diverged = has_diverged(job.folder);
                spdlog::info("{}: {}", job.folder.string(),
                             diverged ? "has diverged; --force trains it again" : "trained already");
            }
            found.push_back(
                {earlier.finished, earlier.steps, earlier.scored, earlier.group, earlier.precision});
        }
    });
    found = Json::parse(ranks.broadcast(found.dump()));
    std::vector<HeadJob> left;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        if (found[i][0]) continue;
        jobs[i].steps = found[i][1];
        jobs[i].scored = found[i][2];
        jobs[i].group = found[i][3];
        if (jobs[i].steps > 0) jobs[i].recipe.emplace("precision", found[i][4]);
        left.push_back(std::move(jobs[i]));
    }
    return left;
}

std::string precision_of(const std::vector<HeadJob>& jobs) {
    const HeadJob* known = nullptr;
    for (const HeadJob& job : jobs) {
        if (!job.recipe.contains("precision")) continue;
        if (known == nullptr) known = &job;
        if (job.recipe.at("precision") != known->recipe.at("precision")) {
            fail(
                "{} was begun on states in {}, and {} on states in {}; one run computes all states in one "
                "precision, so train these heads in separate runs (--heads)",
                known->folder.string(), known->recipe.at("precision").get<std::string>(), job.folder.string(),
                job.recipe.at("precision").get<std::string>());
        }
    }
    return known == nullptr ? "" : known->recipe.at("precision").get<std::string>();
}

}  // namespace bv
