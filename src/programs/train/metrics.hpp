#pragma once

#include <nlohmann/json.hpp>

#include "programs/train/group.hpp"

namespace bv {

/// Local: metrics.json of a head whose training has ended: the scores of its best epoch on the held-out
/// questions, else of its last epoch. `dev` are members that say which states it was scored on. `diverged` is
/// {"epoch", "step"} of a head that diverged, else null: such a head has only the scores of its best epoch;
/// where it has no best epoch, the key "head_epochs" and all scores are missing.
nlohmann::ordered_json metrics_of(const Trainee& trainee, const Head& head, const nlohmann::ordered_json& dev,
                                  const nlohmann::json& diverged);

}  // namespace bv
