#include "stages/tuning_recipe.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/json_object.hpp"
#include "stages/finetune.hpp"

namespace bv {

using Json = nlohmann::json;

constexpr const char* kPrecision = "precision";

Json recipe_of(const FinetuneOptions& options, const std::string& data_fingerprint,
               const std::string& started_from, std::int64_t total_steps) {
    Json recipe = {{"task", options.task},
                   {"model", started_from},
                   {"features", data_fingerprint},
                   {"batch", options.batch},
                   {"seed", options.seed},
                   {"optimizer", options.optimizer},
                   {"learning_rate", options.learning_rate},
                   {"epsilon", options.epsilon},
                   {"epsilon_kind", options.epsilon_kind},
                   {"weight_decay", options.weight_decay},
                   {"schedule", options.schedule},
                   {"warm_up", options.warm_up},
                   {"clip", options.clip},
                   {"loss", options.loss},
                   {"no_dropout", options.no_dropout}};
    // With auto the precision of an earlier run stays, or one is chosen as training begins.
    if (options.compute.precision != "auto") recipe["precision"] = options.compute.precision;
    // A constant rate without warm-up does not know where training ends: such a run may be prolonged.
    if (options.schedule != "constant" || options.warm_up > 0) recipe["steps"] = total_steps;
    return recipe;
}

std::string objection_to(const std::filesystem::path& run, const std::filesystem::path& path,
                         const Json& here) {
    Json there;
    try {
        there = read_json(path);
    } catch (const Error& damage) {
        return fmt::format("the recipe of an earlier run is damaged: {}", damage.what());
    }
    if (!there.is_object()) {
        return fmt::format("the recipe of an earlier run is damaged: {}: expected a JSON object",
                           path.string());
    }
    std::string text;
    for (const auto& [key, value] : here.items()) {
        if (key == kPrecision && !there.contains(key)) continue;  // older runs did not record it
        const Json other = there.value(key, Json());
        if (other != value) {
            text += fmt::format("{}{} {} there, {} here", text.empty() ? "" : "; ", key, other.dump(),
                                value.dump());
        }
    }
    return text.empty() ? "" : fmt::format("{} belongs to another run: {}", run.string(), text);
}

std::string recorded_precision(const std::filesystem::path& path) {
    return JsonObject(path).get<std::string>(kPrecision, "");
}

}  // namespace bv
