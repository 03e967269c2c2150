#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "comm/communicator.hpp"
#include "heads/head_definition.hpp"
#include "heads/head_file.hpp"

namespace bv {

class HeadData;
struct TrainOptions;

/// Memory of a rank's device that the training of a head takes, in bytes, its batch's states aside.
struct HeadMemory {
    /// All the time: parameters, gradients, Adam's moments, running statistics; the logits of an epoch's
    /// evaluation; and, where the device is the host, rank 0's copy of the state that is being written.
    std::int64_t kept = 0;
    std::int64_t working = 0;   ///< during its step: what the backward pass needs, and temporaries
    bool reads_floats = false;  ///< whether it wants a batch's states in float32
};

/// A head to train: what it is, and where its results go.
struct HeadJob {
    HeadDefinition definition;
    HeadOrigin origin;
    std::filesystem::path folder;
    nlohmann::json recipe;         ///< everything that decides the results
    std::int64_t first_state = 0;  ///< of the data's states, the first that it reads
    std::int64_t states = 0;       ///< how many it reads
    std::int64_t steps = 0;        ///< done by an interrupted run, a state of which is in the folder
    HeadMemory memory = {};        ///< see measure_memory

    /// "learned_pooling, lr 0.001, seed 1", and what it reads less than all: for messages.
    std::string name() const;
};

/// Local: every head of `definitions`, one for each layer where it says so, at every learning rate with every
/// seed on every share that `options` name, on `data`.
/// Throws Error naming flag or file where a head cannot read the states, or a name stands twice.
std::vector<HeadJob> list_jobs(const TrainOptions& options, const std::vector<HeadDefinition>& definitions,
                               const HeadData& data);

/// Collective: those of `jobs` that are not finished yet, with the steps to go on from, as rank 0 finds them
/// in `options.output`. Throws AgreedError naming the folder that holds results of another recipe, unless
/// --force allows to replace them.
std::vector<HeadJob> unfinished(std::vector<HeadJob> jobs, const TrainOptions& options,
                                const Communicator& ranks);

/// Local: the precision in which the states of those of `jobs` that go on were computed; empty where none
/// records it. Throws Error naming the folders of two jobs that differ.
std::string precision_of(const std::vector<HeadJob>& jobs);

}  // namespace bv
