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

/// The bytes of a rank's device that the training of one head takes, without the states of its batch.
struct HeadMemory {
    /// All the time: parameters, gradients, Adam's moments, running statistics; the logits of an epoch's
    /// evaluation; and, if the device is the CPU, rank 0's copy of the state that is being written.
    std::int64_t kept = 0;
    std::int64_t working = 0;   ///< during its step: values for the backward pass, and temporaries
    bool reads_floats = false;  ///< whether it needs a batch's states in float32
};

/// A head to train, and the folder for its results.
struct HeadJob {
    HeadDefinition definition;
    HeadOrigin origin;
    std::filesystem::path folder;
    nlohmann::json recipe;         ///< everything that decides the results
    std::int64_t first_state = 0;  ///< number of the first of the data's states that it reads
    std::int64_t states = 0;       ///< how many it reads
    std::int64_t steps = 0;        ///< steps of an interrupted run, whose state is in the folder
    std::int64_t scored = 0;       ///< then the epochs of which its log has the scores
    std::string group = {};        ///< then the name of its group there; empty if the state names none
    HeadMemory memory = {};        ///< see measure_memory

    /// "learned_pooling, lr 0.001, seed 1", for messages. It also names the layers or the share of the
    /// data, if the head does not read all, and shuffled labels.
    std::string name() const;
};

/// Local: makes the jobs for every head of `definitions`, at every learning rate, with every seed, on every
/// share that `options` names, on `data`. A definition with `each_layer` gives one head for each layer.
/// Throws Error, which names flag or file, when a head cannot read the states, or when a name is given
/// twice.
std::vector<HeadJob> list_jobs(const TrainOptions& options, const std::vector<HeadDefinition>& definitions,
                               const HeadData& data);

/// Collective: those of `jobs` that are not finished, each with the state from which it goes on, as rank 0
/// finds them in `options.output`. Removes what a killed process left in the folders of finished ones. Throws
/// AgreedError, which names the folder, when a folder holds results of another recipe, unless --force allows
/// to replace them, and std::runtime_error when MPI fails.
std::vector<HeadJob> unfinished(std::vector<HeadJob> jobs, const TrainOptions& options,
                                const Communicator& ranks);

/// Local: the precision in which the states were computed for those of `jobs` that go on from an
/// interrupted run. Empty when none of them records it. Throws Error, which names both folders, when two
/// jobs differ.
std::string precision_of(const std::vector<HeadJob>& jobs);

}  // namespace bv
