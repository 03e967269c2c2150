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

/// Local: runs `work`, its backward passes included, and returns the largest number of bytes that its
/// tensors take at one time in the memory of `device`.
std::int64_t peak_bytes(at::Device device, const std::function<void()>& work);

/// Collective: measures and sets the memory of each of `jobs`. It runs a step of heads that are thrown
/// away, over a batch of the longest features, so that no real step takes more. It adds the logits of an
/// evaluation. The largest number of all ranks counts. Throws std::runtime_error when MPI or NCCL fails.
void measure_memory(std::vector<HeadJob>& jobs, const HeadData& data, at::Device device,
                    const Communicator& ranks, Collective& collective);

/// The bytes that states take on a rank.
struct StateMemory {
    std::int64_t kept = 0;        ///< stores that are kept in memory as a whole
    std::int64_t read_ahead = 0;  ///< estimate: the window in use and the one that is read meanwhile
    std::int64_t batches = 0;     ///< copies for a step: on a GPU, in float32, or computed states
};

/// Local: the memory that the states of `data` take while `jobs`, whose memory is already set, are trained
/// on them.
StateMemory memory_of_states(const std::vector<HeadJob>& jobs, const HeadData& data, at::Device device,
                             const Communicator& ranks);

/// The numbers of jobs, in groups. The heads of a group take their steps as one batch.
using HeadGroups = std::vector<std::vector<std::size_t>>;

/// Heads that are trained together: each batch is read once for all of them.
struct HeadPass {
    HeadGroups groups;
    std::int64_t kept = 0;     ///< bytes that all heads keep
    std::int64_t working = 0;  ///< bytes of the largest group during its step; groups take turns
    bool divided = false;  ///< whether heads that go on have left their groups, which take too much memory
};

/// The bytes that the heads of a pass may take; 0 means no limit.
struct MemoryLimit {
    double fresh = 0;     ///< heads that begin, or whose groups are unknown
    double in_group = 0;  ///< heads that go on in the groups of an interrupted run
};

/// Divides the heads, in their order, into as few passes over the states as possible. Each pass takes at
/// most `limit`. Heads of one definition over the same states form a group, if they fit beside the memory
/// that all heads keep. Heads that go on stay in their groups, so that their rounding stays the same, unless
/// such a group by itself needs more than `limit`. Heads on different shares of the data, or that go on
/// from different places (`steps`, `scored`), come into different passes. Throws Error, which names a head
/// that needs more than `limit` by itself.
std::vector<HeadPass> plan_passes(std::vector<HeadJob> jobs, MemoryLimit limit);

}  // namespace bv
