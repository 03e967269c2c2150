#pragma once

#include <cstddef>
#include <vector>

#include "dist/communicator.hpp"

namespace bv {

/// How many cores are the part of process `mine`, where `masks` are the cores that each process of a host may
/// run on: each core is divided equally among those that may run on it. Processes that a launcher bound apart
/// have their own, those of one mask equal parts. At least one.
int share_of_cores(const std::vector<std::vector<int>>& masks, std::size_t mine);

/// Collective: how many cores are this rank's part of what its host's ranks may run on.
int share_of_cores(const Communicator& ranks);

}  // namespace bv
