#include "programs/train/metrics.hpp"

#include "programs/shared/head_folder.hpp"

namespace bv {

using Json = nlohmann::json;

nlohmann::ordered_json metrics_of(const Trainee& trainee, const Head& head,
                                  const nlohmann::ordered_json& sources) {
    const HeadOrigin& origin = trainee.job.origin;
    nlohmann::ordered_json metrics{{"head", head.definition().name},
                                   {"task", to_string(head.definition().task)},
                                   {"parameters", head.parameter_count()},
                                   {"epoch", origin.epoch}};
    metrics.update(sources);
    metrics["other_checkpoint"] = origin.other_checkpoint;
    metrics["shuffled_labels"] = origin.shuffled_labels;
    if (const Json& recipe = trainee.job.recipe; recipe.contains("precision"))
        metrics["precision"] = recipe["precision"];
    const std::int64_t best = trainee.history ? trainee.history->best_place() : 0;
    Json line;
    if (best > 0) {
        line = trainee.lines.at(static_cast<std::size_t>(best - 1));
    } else if (trainee.diverged.is_null()) {
        line = trainee.lines.back();
    }
    if (!trainee.diverged.is_null()) metrics[kDiverged] = trainee.diverged;
    if (line.is_null()) return metrics;
    metrics["head_epochs"] = line.at("epoch");
    metrics["loss"] = line.at("loss");
    for (const char* scores : {"official", "reference", "classification", "held_out"}) {
        if (line.contains(scores)) metrics[scores] = line[scores];
    }
    return metrics;
}

}  // namespace bv
