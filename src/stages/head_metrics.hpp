#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "stages/head_group.hpp"

namespace bv {

/// Local: metrics.json of a head that has ended: what it came to, by its best epoch on the held-out
/// questions, else by its last. `dev_epoch` is that of the dev states. A head that `diverged` ({"epoch",
/// "step"}, else null) came to nothing but its best epoch; without one there is no key "head_epochs" and none
/// of a score.
nlohmann::ordered_json metrics_of(const Trainee& trainee, const Head& head, const std::string& dev_epoch,
                                  const nlohmann::json& diverged);

}  // namespace bv
