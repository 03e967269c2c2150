#pragma once

#include <cstddef>
#include <vector>

#include "comm/communicator.hpp"

namespace bv {

/// The number of cores, at least 1, that process `mine` is to use. `masks[p]` are the numbers of the cores
/// on which process p of the host may run. Each core is divided equally among the processes that may run on
/// it. So processes that a launcher bound to different cores have their own cores, and processes with the
/// same mask have equal parts.
int share_of_cores(const std::vector<std::vector<int>>& masks, std::size_t mine);

/// Collective: this rank's number of cores by that rule, among all ranks of its host.
int share_of_cores(const Communicator& ranks);

}  // namespace bv
