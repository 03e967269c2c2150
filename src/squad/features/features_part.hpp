#pragma once

#include <vector>

#include "squad/features/features.hpp"

namespace bv {

/// Features of their own for the questions q with `questions[q]` true, in the same order. All contexts are
/// kept.
Features part_of(const Features& features, const std::vector<bool>& questions);

}  // namespace bv
