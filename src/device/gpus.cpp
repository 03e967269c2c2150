#include "device/gpus.hpp"

#include <algorithm>
#include <map>
#include <sstream>

#include <fmt/ranges.h>

#include "core/error.hpp"
#include "core/host_name.hpp"

#ifdef BV_CUDA
#include <stdexcept>

#include <cuda_runtime_api.h>
#endif

namespace bv {
namespace {

#ifdef BV_CUDA
int gpu_count() {
    int count = 0;
    const cudaError_t code = cudaGetDeviceCount(&count);
    if (code == cudaSuccess) return count;
    // Without a driver CUDA reports that the driver is too old.
    if (code != cudaErrorNoDevice && has_nvidia_gpu()) {
        fail("CUDA cannot use the GPUs of host {}: {}; --device cpu computes without them", host_name(),
             cudaGetErrorString(code));
    }
    return 0;
}

/// "GPU-01234567-89ab-...", as nvidia-smi writes it.
std::string uuid_of(int gpu) {
    cudaDeviceProp properties{};
    const cudaError_t code = cudaGetDeviceProperties(&properties, gpu);
    if (code != cudaSuccess) {
        fail("CUDA cannot use GPU {} of host {}: {}; --device cpu computes without it", gpu, host_name(),
             cudaGetErrorString(code));
    }
    std::string text = "GPU";
    for (std::size_t i = 0; i < sizeof properties.uuid.bytes; ++i) {
        if (i == 0 || i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        text += fmt::format("{:02x}", static_cast<unsigned char>(properties.uuid.bytes[i]));
    }
    return text;
}
#endif

std::string as_text(const RanksGpus& rank) {
    return fmt::format("{}\n{}", rank.host, fmt::join(rank.gpus, "\n"));
}

RanksGpus from_text(const std::string& text) {
    std::istringstream lines(text);
    RanksGpus rank;
    std::getline(lines, rank.host);
    for (std::string gpu; std::getline(lines, gpu);) rank.gpus.push_back(gpu);
    return rank;
}

/// Throws Error if some ranks see GPUs and others see none.
void require_all_or_none(const std::vector<RanksGpus>& ranks) {
    std::vector<std::string> without;  // hosts, each once
    std::size_t blind = 0;
    for (const RanksGpus& rank : ranks) {
        if (!rank.gpus.empty()) continue;
        ++blind;
        if (std::ranges::find(without, rank.host) == without.end()) without.push_back(rank.host);
    }
    if (blind == 0 || blind == ranks.size()) return;
    fail(
        "{} of {} ranks see no GPU that CUDA can use (host{} {}): either all ranks compute on GPUs or none "
        "does; --device cpu computes without GPUs",
        blind, ranks.size(), without.size() == 1 ? "" : "s", fmt::join(without, ", "));
}

}  // namespace

std::vector<std::string> visible_gpus() {
    std::vector<std::string> uuids;
#ifdef BV_CUDA
    for (int gpu = 0, count = gpu_count(); gpu < count; ++gpu) uuids.push_back(uuid_of(gpu));
#endif
    return uuids;
}

bool has_nvidia_gpu(const std::filesystem::path& devices) {
    std::error_code ignored;
    return std::filesystem::exists(devices / "nvidiactl", ignored) ||
           std::filesystem::exists(devices / "nvidia0", ignored);
}

std::int64_t free_gpu_memory() {
#ifdef BV_CUDA
    std::size_t free = 0;
    std::size_t total = 0;
    const cudaError_t code = cudaMemGetInfo(&free, &total);
    if (code != cudaSuccess)
        throw std::runtime_error(fmt::format("cudaMemGetInfo failed: {}", cudaGetErrorString(code)));
    return static_cast<std::int64_t>(free);
#else
    return 0;
#endif
}

std::vector<int> assign_gpus(const std::vector<RanksGpus>& ranks) {
    require_all_or_none(ranks);
    std::map<std::string, std::size_t> owners;  // the rank that has a GPU
    std::vector<int> places;
    for (std::size_t r = 0; r < ranks.size(); ++r) {
        const std::vector<std::string>& gpus = ranks[r].gpus;
        if (gpus.empty()) return {};
        const auto free = std::ranges::find_if(gpus, [&](const auto& gpu) { return !owners.contains(gpu); });
        if (free == gpus.end()) {
            fail(
                "ranks {} and {} on host {} would share GPU {}: rank {} sees {} GPU{}, which lower ranks "
                "have, and NCCL needs one GPU a rank; start fewer ranks on a host or use --device cpu",
                owners[gpus.front()], r, ranks[r].host, gpus.front(), r, gpus.size(),
                gpus.size() == 1 ? "" : "s");
        }
        owners[*free] = r;
        places.push_back(static_cast<int>(free - gpus.begin()));
    }
    return places;
}

std::optional<int> agree_on_gpu(const RanksGpus& mine, const Communicator& ranks) {
    std::vector<RanksGpus> all;
    for (const std::string& text : ranks.gather(as_text(mine))) all.push_back(from_text(text));
    std::vector<int> places;
    ranks.agree([&] { places = assign_gpus(all); });
    if (places.empty()) return {};
    return places[static_cast<std::size_t>(ranks.rank())];
}

}  // namespace bv
