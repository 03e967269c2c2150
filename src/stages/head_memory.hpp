#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "dist/collective.hpp"
#include "dist/communicator.hpp"
#include "stages/head_data.hpp"
#include "stages/head_job.hpp"

namespace bv {

/// Memory of a rank's device that the training of a head takes, in bytes, its batch's states aside.
struct HeadMemory {
    std::int64_t kept = 0;     ///< all the time: parameters, gradients, Adam's moments, running statistics
    std::int64_t working = 0;  ///< during its step: what the backward pass needs, and temporaries
};

/// Collective: what each of `jobs` takes, found by one step of a throwaway head over a batch of the longest
/// features, so that no step takes more; the most of any rank.
std::vector<HeadMemory> measure_memory(const std::vector<HeadJob>& jobs, const HeadData& data,
                                       at::Device device, const Communicator& ranks, Collective& collective);

/// Places of heads, those trained in one pass over the states together.
using Passes = std::vector<std::vector<std::size_t>>;

/// As few passes in the heads' order as take at most `limit` bytes each (0 = no limit): heads keep their
/// memory side by side, but take their steps in turn. Heads on different shares of the data, or with
/// different `steps` done already, go apart. Throws Error where a head alone takes more; `jobs` name them.
Passes plan_passes(const std::vector<HeadJob>& jobs, const std::vector<HeadMemory>& memory, double limit);

/// Bytes of `heads` trained together.
std::int64_t bytes_together(const std::vector<std::size_t>& heads, const std::vector<HeadMemory>& memory);

}  // namespace bv
