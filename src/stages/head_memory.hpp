#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "dist/collective.hpp"
#include "dist/communicator.hpp"
#include "stages/head_data.hpp"
#include "stages/head_job.hpp"

namespace bv {

/// Collective: sets the memory of each of `jobs`, found by one step of a throwaway head over a batch of the
/// longest features, so that no step takes more; the most of any rank.
void measure_memory(std::vector<HeadJob>& jobs, const HeadData& data, at::Device device,
                    const Communicator& ranks, Collective& collective);

/// Places of heads among jobs.
using HeadGroups = std::vector<std::vector<std::size_t>>;

/// The heads that take their steps as one batched computation, group after group: those of one definition
/// over the same states, as many as take at most 1 GiB during the step.
HeadGroups group_alike(const std::vector<HeadJob>& jobs);

/// As few passes over the states as take at most `limit` bytes each (0 = no limit), in the heads' order:
/// heads keep their memory side by side, but their groups take steps in turn. Heads on different shares of
/// the data, or with different `steps` done already, go apart. Throws Error naming a head that alone takes
/// more.
HeadGroups plan_passes(const std::vector<HeadJob>& jobs, double limit);

/// Bytes of `jobs` trained in one pass.
std::int64_t bytes_together(const std::vector<HeadJob>& jobs);

/// Those of `jobs` at `places`.
std::vector<HeadJob> chosen(const std::vector<HeadJob>& jobs, const std::vector<std::size_t>& places);

}  // namespace bv
