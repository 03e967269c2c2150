#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "comm/communicator.hpp"
#include "device/device.hpp"
#include "heads/head_file.hpp"
#include "programs/eval/command.hpp"
#include "states/state_source.hpp"

namespace bv {

/// The number of sequences that a head reads at a time.
inline constexpr std::int64_t kHeadBatch = 16;

/// Local: reads the head in `folder`. Throws Error naming it if it cannot be read, also if its training
/// diverged and left no weights.
TrainedHead read_trained(const std::filesystem::path& folder);

/// The head of --head on the device, and the states that it reads.
struct HeadOverStates {
    TrainedHead trained;
    std::string fingerprint;  ///< of the head's weights
    std::unique_ptr<StateSource> source;
    std::int64_t first_state = 0;   ///< number of the first state of `source` that the head reads
    bool other_checkpoint = false;  ///< the states are of another checkpoint than that of its training
};

/// Collective: reads --head, and opens the states of --store, or those that --checkpoint computes from
/// --features in a precision that is chosen for `compute`. Throws AgreedError, which names the folder or the
/// file, when they cannot be read or do not fit each other.
HeadOverStates open_head(const EvalOptions& options, Compute& compute, const Communicator& ranks);

}  // namespace bv
