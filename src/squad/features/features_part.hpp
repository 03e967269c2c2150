#pragma once

#include <vector>

#include "squad/features/features.hpp"

namespace bv {

/// The features of those questions q for which `questions[q]` is true, in their order, as features of their
/// own. All contexts are kept.
Features part_of(const Features& features, const std::vector<bool>& questions);

}  // namespace bv
