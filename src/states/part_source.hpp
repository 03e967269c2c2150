#pragma once

#include <memory>
#include <vector>

#include "states/state_source.hpp"

namespace bv {

/// Local: a part of source `whole` as a source of its own. It has the features of those questions q for
/// which `questions[q]` is true; `questions` has one element for each question of `whole`. `whole` must
/// outlive the result.
std::unique_ptr<StateSource> part_of(const StateSource& whole, const std::vector<bool>& questions);

}  // namespace bv
