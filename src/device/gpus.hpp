#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace bv {

/// Whether this build can use GPUs.
#ifdef BV_CUDA
inline constexpr bool kBuiltForGpus = true;
#else
inline constexpr bool kBuiltForGpus = false;
#endif

/// Local: the UUIDs of the GPUs that this process sees, in CUDA's order; empty where it sees none, or this
/// build has no CUDA. Throws Error with CUDA's reason where the host has GPUs that CUDA refuses, of an old
/// driver say: such a host must not be taken for one without GPUs.
std::vector<std::string> visible_gpus();

/// Local: whether the host has an NVIDIA GPU, as the driver's files in `devices` tell; a build without CUDA
/// can ask too.
bool has_nvidia_gpu(const std::filesystem::path& devices = "/dev");

/// Local: bytes of the current GPU's memory that are free; 0 when this build has no CUDA. Throws
/// std::runtime_error.
std::int64_t free_gpu_memory();

/// What a rank sees: the name of its host, and UUIDs of GPUs in CUDA's order.
struct RanksGpus {
    std::string host;
    std::vector<std::string> gpus;
};

/// Gives each of `ranks` a GPU of its own, as a place among those it sees: the first that no lower rank has.
/// So ranks that see all GPUs of their host take them in order, and a rank to which a launcher shows a single
/// GPU takes that one, although it has the number 0 on every rank. Empty where no rank sees any. Throws Error
/// naming hosts where some ranks see GPUs and others none, or ranks that would share a GPU.
std::vector<int> assign_gpus(const std::vector<RanksGpus>& ranks);

/// Collective: this rank's GPU by that rule, where `mine` is what it sees; nothing where no rank sees a GPU.
/// Throws AgreedError.
std::optional<int> agree_on_gpu(const RanksGpus& mine, const Communicator& ranks);

}  // namespace bv
