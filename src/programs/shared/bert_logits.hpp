#pragma once

#include <string>

#include "bert/model.hpp"
#include "comm/collective.hpp"
#include "comm/communicator.hpp"
#include "programs/shared/head_logits.hpp"
#include "programs/shared/stopping.hpp"
#include "squad/features/features.hpp"
#include "squad/scoring/logits.hpp"

namespace bv {

/// Collective: the logits of `model` (equal on all ranks) over all features, in the features' order, on every
/// rank: the same bits on any number of ranks. Passes of features go to ranks so that their token counts
/// balance. `fingerprint` is that of the features. `when` says whether the stop signal ends
/// it: then throws Stopped on all ranks.
Logits predict(const Model& model, const Features& features, const std::string& fingerprint,
               const Communicator& ranks, Collective& collective, WhenTold when = WhenTold::go_on);

}  // namespace bv
