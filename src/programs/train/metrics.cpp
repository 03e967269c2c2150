#include "programs/train/metrics.hpp"

namespace bv {

using Json = nlohmann::json;

nlohmann::ordered_json metrics_of(const Trainee& trainee, const Head& head, const std::string& dev_epoch,
                                  const Json& diverged) {
    const HeadOrigin& origin = trainee.job.origin;
    nlohmann::ordered_json metrics{{"head", head.definition().name},
                                   {"task", head.definition().task},
                                   {"parameters", head.parameter_count()},
                                   {"epoch", origin.epoch},
                                   {"dev_epoch", dev_epoch},
                                   {"other_checkpoint", origin.other_checkpoint}};
    if (const Json& recipe = trainee.job.recipe; recipe.contains("precision"))
        metrics["precision"] = recipe["precision"];
    const Json best = trainee.history ? trainee.history->best() : Json();
    Json line;
    if (!best.is_null()) {
        line = trainee.lines.at(std::stoul(best.at("epoch").get<std::string>()) - 1);
    } else if (diverged.is_null()) {
        line = trainee.lines.back();
    }
    if (!diverged.is_null()) metrics["diverged"] = diverged;
    if (line.is_null()) return metrics;
    metrics["head_epochs"] = line.at("epoch");
    metrics["loss"] = line.at("loss");
    for (const char* scores : {"official", "reference", "classification", "held_out"}) {
        if (line.contains(scores)) metrics[scores] = line[scores];
    }
    return metrics;
}

}  // namespace bv
