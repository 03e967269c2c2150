#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "comm/communicator.hpp"

namespace bv {

/// Collective: the bytes that are free for a rank now; the smallest number of all ranks. On a GPU: its free
/// memory, and the memory that Torch's allocator holds for new tensors. On a CPU: the rank's equal part of
/// the memory that is left to all ranks of its host (device/host_memory.hpp). 0 when the host does not say.
std::int64_t available_memory(at::Device device, const Communicator& ranks);

}  // namespace bv
