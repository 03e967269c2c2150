#include "programs/finetune/recipe.hpp"

#include <nlohmann/json.hpp>

#include "programs/finetune/command.hpp"

namespace bv {

using Json = nlohmann::json;

Json recipe_of(const FinetuneOptions& options, const std::string& data_fingerprint,
               const std::string& started_from, std::int64_t total_steps) {
    Json recipe = {{"task", to_string(options.task)},
                   {"model", started_from},
                   {"features", data_fingerprint},
                   {"batch", options.batch},
                   {"seed", options.seed},
                   {"optimizer", to_string(options.optimizer)},
                   {"learning_rate", options.learning_rate},
                   {"epsilon", options.epsilon},
                   {"epsilon_kind", to_string(options.epsilon_kind)},
                   {"weight_decay", options.weight_decay},
                   {"schedule", to_string(options.schedule)},
                   {"warm_up", options.warm_up},
                   {"clip", options.clip},
                   {"loss", to_string(options.loss)},
                   {"no_dropout", options.no_dropout}};
    // With auto, training takes the precision of the earlier run, or chooses one when it begins.
    if (options.compute.precision != "auto") recipe["precision"] = options.compute.precision;
    // A constant rate without warm-up does not depend on the last step, so such a run may be made longer.
    if (options.schedule != ScheduleKind::constant || options.warm_up > 0) recipe["steps"] = total_steps;
    return recipe;
}

}  // namespace bv
