#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "comm/communicator.hpp"
#include "heads/shared_batch.hpp"
#include "programs/shared/stopping.hpp"
#include "states/state_source.hpp"

namespace bv {

/// Collective: throws AgreedError, which names the source, if the ranks have opened other states: a file or
/// folder of the same name may be another one on another host.
void require_same_states(const StateSource& source, const Communicator& ranks);

/// How the states of a source are read once, by all ranks together.
struct ReadingPlan {
    std::vector<std::int64_t> order;  ///< the features to read; each rank reads a part of neighbours
    std::int64_t batch = 0;           ///< features in a batch
    at::Device device{at::kCPU};      ///< where the batches are wanted
    std::string work;     ///< the work that is done with the states, for the progress line: "predicting"
    std::string missing;  ///< the result that is missing after the stop signal, for the message
    WhenTold when = WhenTold::go_on;
};

/// Collective: calls `use` with each batch of this rank's share. If `plan.when` lets the stop signal end the
/// work, all ranks throw Stopped after it. Throws Error, which names the store, only on the rank that reads a
/// damaged block. Throws std::runtime_error when MPI fails.
void read_share(const StateSource& source, const ReadingPlan& plan, const Communicator& ranks,
                const std::function<void(SharedBatch&)>& use);

}  // namespace bv
