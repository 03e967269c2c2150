#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "comm/collective.hpp"
#include "comm/communicator.hpp"
#include "programs/train/data.hpp"
#include "programs/train/job.hpp"

namespace bv {

/// Local: the most bytes that the tensors which `work` makes, its backward passes included, take at one time
/// in the memory of `device`.
std::int64_t peak_bytes(at::Device device, const std::function<void()>& work);

/// Collective: sets the memory of each of `jobs`, found by a step of throwaway heads over a batch of the
/// longest features, so that no step takes more, and by the logits of an evaluation; the most of any rank.
void measure_memory(std::vector<HeadJob>& jobs, const HeadData& data, at::Device device,
                    const Communicator& ranks, Collective& collective);

/// Memory that states take on a rank, in bytes.
struct StateMemory {
    std::int64_t kept = 0;        ///< stores that are held as a whole
    std::int64_t read_ahead = 0;  ///< about: the windows that are used and read meanwhile
    std::int64_t batches = 0;     ///< what is made of those for a step: on a GPU, in float32, or computed
};

/// Local: what the states of `data` take while `jobs`, whose memory is set, are trained on them.
StateMemory memory_of_states(const std::vector<HeadJob>& jobs, const HeadData& data, at::Device device,
                             const Communicator& ranks);

/// Places of heads among jobs: groups of those that take their steps as one batched computation.
using HeadGroups = std::vector<std::vector<std::size_t>>;

/// Heads that are trained on each batch read once.
struct HeadPass {
    HeadGroups groups;
    std::int64_t kept = 0;     ///< bytes of all heads
    std::int64_t working = 0;  ///< bytes during the step of the group that takes most: they take turns
};

/// As few passes over the states as take at most `limit` bytes each (0 = no limit), in the heads' order.
/// Heads of one definition over the same states are a group, as many as fit beside what all heads keep. Heads
/// on different shares of the data, or with different `steps` done already, go apart. Throws Error naming a
/// head that alone takes more.
std::vector<HeadPass> plan_passes(const std::vector<HeadJob>& jobs, double limit);

}  // namespace bv
