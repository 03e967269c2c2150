#pragma once

#include <string>

#include "bert/model.hpp"
#include "dist/collective.hpp"
#include "dist/communicator.hpp"
#include "squad/features.hpp"
#include "squad/logits.hpp"
#include "stages/head_evaluation.hpp"
#include "stages/when_told.hpp"

namespace bv {

/// Collective: the logits of `model` (equal on all ranks) over all features, in the features' order, on every
/// rank: the same bits on any number of ranks. Passes of features go to ranks so that their token counts
/// balance. `fingerprint` is that of the features. `when` says whether the stop signal ends
/// it: then throws Stopped on all ranks.
Logits predict(const Model& model, const Features& features, const std::string& fingerprint,
               const Communicator& ranks, Collective& collective, WhenTold when = WhenTold::go_on);

}  // namespace bv
