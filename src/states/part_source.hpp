#pragma once

#include <memory>
#include <vector>

#include "states/state_source.hpp"

namespace bv {

/// Some questions of a source, (questions) true for those, as a source of their own, which has their features
/// alone. `whole` must outlive it.
std::unique_ptr<StateSource> part_of(const StateSource& whole, const std::vector<bool>& questions);

}  // namespace bv
