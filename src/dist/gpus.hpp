#pragma once

#include <cstdint>

namespace bv {

/// Local: the GPUs of this host that this process sees; 0 where there is none, or this build has no CUDA.
/// Throws Error with CUDA's reason where the host has GPUs that CUDA refuses, of an old driver say: such a
/// host must not pass for one without GPUs.
int gpu_count();

/// Local: bytes of the current GPU's memory that are free; 0 when this build has no CUDA. Throws
/// std::runtime_error.
std::int64_t free_gpu_memory();

}  // namespace bv
