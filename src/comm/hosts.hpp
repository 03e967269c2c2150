#pragma once

#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace bv {

/// Local: the name of this host, for messages.
std::string host_name();

/// Collective: for each rank the lowest rank on its host: the same number for all ranks of one host. Every
/// rank gets the whole list. Throws std::runtime_error when MPI fails.
std::vector<int> hosts_of(const Communicator& ranks);

}  // namespace bv
