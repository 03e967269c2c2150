#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "squad/features/features.hpp"

namespace bv {

/// Collective: says that the loss or the gradient of `step` is not finite, and which questions made it so.
/// Call it only if one of them is not. `own_loss` is the loss of this rank's examples, `share`.
std::string non_finite_message(std::int64_t step, double own_loss, const std::vector<std::int64_t>& share,
                               const Features& features, const Communicator& ranks);

}  // namespace bv
