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

/// Collective: returns on every rank the logits of `model` for all F features, in the order of the features:
/// start and end of every token in the span task, two classes of every feature in classification. They are
/// the same bits on any number of ranks. `model` must be equal on all ranks. Features go to ranks in passes,
/// so that the ranks get about the same number of tokens. `fingerprint` is that of the features. `when` says
/// whether the stop signal ends this work; if it does, all ranks throw Stopped. Throws std::runtime_error
/// when MPI or NCCL fails.
Logits predict(const Model& model, const Features& features, const std::string& fingerprint,
               const Communicator& ranks, Collective& collective, WhenTold when = WhenTold::go_on);

}  // namespace bv
