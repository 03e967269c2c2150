#pragma once

#include <string>

namespace bv {

/// The name of this host, for messages; "?" if the system does not tell it.
std::string host_name();

}  // namespace bv
