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

/// Local: the UUIDs of the GPUs that this process sees, in CUDA's order. Empty when it sees none, or when
/// this build has no CUDA. Throws Error with CUDA's reason when the host has GPUs but CUDA refuses them,
/// for example because the driver is too old: such a host must not count as one without GPUs.
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

/// Gives each of `ranks` a GPU of its own: the first GPU in its list that no lower rank has taken. Returns an
/// index for each rank, into its own list. So ranks that see all GPUs of their host take them in order. A
/// rank to which a launcher shows a single GPU takes that one, although its number is 0 on every rank. Empty
/// when no rank sees a GPU. Throws Error, which names the hosts, when some ranks see GPUs and others none, or
/// when ranks would share a GPU.
std::vector<int> assign_gpus(const std::vector<RanksGpus>& ranks);

/// Collective: this rank's GPU by the rule of assign_gpus. `mine` is what this rank sees. No value when no
/// rank sees a GPU. Throws AgreedError when assign_gpus throws Error.
std::optional<int> agree_on_gpu(const RanksGpus& mine, const Communicator& ranks);

}  // namespace bv
