#pragma once

#include <string>
#include <vector>

namespace bv {

/// The name in `known` that has the smallest edit distance to `wanted`, for messages about unknown names.
/// `known` must not be empty.
std::string nearest(const std::string& wanted, const std::vector<std::string>& known);

}  // namespace bv
