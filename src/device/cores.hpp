#pragma once

#include <cstddef>
#include <vector>

#include "comm/communicator.hpp"

namespace bv {

/// The number of cores that process `mine` shall use, at least 1, where `masks` are the numbers of the cores
/// that each process of a host may run on. Each core is divided equally among the processes that may run on
/// it: processes that a launcher bound apart have their own cores, processes of one mask have equal parts.
int share_of_cores(const std::vector<std::vector<int>>& masks, std::size_t mine);

/// Collective: this rank's number of cores by that rule, among all ranks of its host.
int share_of_cores(const Communicator& ranks);

}  // namespace bv
