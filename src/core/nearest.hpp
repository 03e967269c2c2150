#pragma once

#include <string>
#include <vector>

namespace bv {

/// The one of `known` (at least one) nearest to `wanted` by edit distance, for messages about unknown names.
std::string nearest(const std::string& wanted, const std::vector<std::string>& known);

}  // namespace bv
