#pragma once

#include <vector>

#include "comm/communicator.hpp"

namespace bv {

/// Collective: returns for each rank the lowest rank on the same host, so that all ranks of one host have
/// the same number. Every rank gets the whole list, which has R elements. Throws std::runtime_error when
/// MPI fails.
std::vector<int> hosts_of(const Communicator& ranks);

}  // namespace bv
