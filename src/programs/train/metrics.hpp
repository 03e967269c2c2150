#pragma once

#include <nlohmann/json.hpp>

#include "programs/train/group.hpp"

namespace bv {

/// Local: returns metrics.json for a head whose training has ended. It has the scores of the epoch that is
/// best on the held-out questions; without these, the scores of the last epoch. `sources` holds the
/// members that name the data. A head that diverged has only the scores of its best epoch. If it has none,
/// the key "head_epochs" and all scores are missing.
nlohmann::ordered_json metrics_of(const Trainee& trainee, const Head& head,
                                  const nlohmann::ordered_json& sources);

}  // namespace bv
