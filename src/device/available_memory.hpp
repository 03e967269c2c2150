#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "comm/communicator.hpp"

namespace bv {

/// Collective: bytes of `device` that are free for a rank just now: of its GPU, with what Torch's allocator
/// keeps for new tensors, or its part of what its host's ranks have together (device/host_memory.hpp); the
/// least of all ranks. 0 where the host does not say.
std::int64_t available_memory(at::Device device, const Communicator& ranks);

}  // namespace bv
