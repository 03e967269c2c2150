#include "stages/head_job.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "core/files.hpp"
#include "core/log.hpp"
#include "optim/epoch.hpp"
#include "stages/head_data.hpp"
#include "stages/head_evaluation.hpp"
#include "stages/head_files.hpp"
#include "stages/train.hpp"
#include "stages/tuning_recipe.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

std::int64_t default_batch(const std::string& task) {
    return task == "span" ? 16 : 64;  // the reference's
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
                {"layers", states.layers},
                {"dtype", name_of(states.dtype)},
                {"order", data.order_fingerprint()},
                {"dev_checkpoint", data.dev().info().checkpoint},
                {"dev_features", data.dev().info().features},
                {"seed", job.origin.seed},
                {"learning_rate", job.origin.learning_rate},
                {"batch", job.origin.batch},
                {"epochs", job.origin.epochs},
                {"held_out", job.origin.held_out}};
    if (options.held_out > 0) {
        recipe["eval_metric"] = options.eval_metric;
        recipe["patience"] = options.patience;
    }
    return recipe;
}

}  // namespace

std::string HeadJob::name() const {
    return fmt::format("{}, lr {}, seed {}", definition.name, origin.learning_rate, origin.seed);
}

std::vector<HeadJob> list_jobs(const TrainOptions& options, const std::vector<HeadDefinition>& definitions,
                               const HeadData& data) {
    require_different("learning-rate", options.learning_rates);
    require_different("seed", options.seeds);
    const StoreInfo& info = data.train().info();
    HeadOrigin origin{.checkpoint = info.checkpoint,
                      .epoch = info.epoch,
                      .layers = info.layers,
                      .features = info.features,
                      .data_seed = options.data_seed,
                      .held_out = options.held_out,
                      .batch = options.batch > 0 ? options.batch : default_batch(info.task),
                      .epochs = options.epochs > 0 ? options.epochs : default_head_epochs(info.task)};
    std::vector<HeadJob> jobs;
    for (const HeadDefinition& definition : definitions) {
        const Head head(definition, info.states(), info.hidden_size, 0);
        require_fit(head, origin, data.train(), false);
        origin.other_checkpoint = require_fit(head, origin, data.dev(), options.allow_other_checkpoint);
        for (const double rate : options.learning_rates) {
            for (const std::uint64_t seed : options.seeds) {
                HeadJob& job = jobs.emplace_back(HeadJob{definition, origin, {}, {}});
                job.origin.learning_rate = rate;
                job.origin.seed = seed;
                job.folder = options.output / definition.name /
                             EpochFraction::parse(info.epoch).folder_name() /
                             fmt::format("lr-{}-seed-{}{}", rate, seed,
                                         options.layers == "all" ? "" : "-layers-" + options.layers);
                job.recipe = recipe_of(job, data, options);
            }
        }
    }
    return jobs;
}

std::vector<HeadJob> unfinished(std::vector<HeadJob> jobs, bool force) {
    std::erase_if(jobs, [&](HeadJob& job) {
        const EarlierHeadRun earlier = find_earlier_head_run(job.folder, job.recipe, force);
        job.steps = earlier.steps;
        if (earlier.finished) spdlog::info("{}: trained already", job.folder.string());
        return earlier.finished;
    });
    return jobs;
}

}  // namespace bv
