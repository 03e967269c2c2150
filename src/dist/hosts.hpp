#pragma once

#include <string>
#include <vector>

#include "dist/communicator.hpp"

namespace bv {

/// Local: the name of this host, for messages.
std::string host_name();

/// Collective: for each rank the lowest rank of its host, on every rank: equal for those on one host.
std::vector<int> hosts_of(const Communicator& ranks);

}  // namespace bv
