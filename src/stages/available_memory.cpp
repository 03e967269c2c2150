#include "stages/available_memory.hpp"

#include <fstream>
#include <string>

#include "dist/gpus.hpp"

namespace bv {
namespace {

/// What Linux could give without swapping; 0 where it does not say.
std::int64_t host_memory_available() {
    std::ifstream file("/proc/meminfo");
    std::string key, unit;
    std::int64_t kib = 0;
    while (file >> key >> kib && std::getline(file, unit)) {
        if (key == "MemAvailable:") return kib * 1024;
    }
    return 0;
}

}  // namespace

std::int64_t available_memory(at::Device device, const Communicator& ranks) {
    const std::int64_t own =
        device.is_cuda() ? free_gpu_memory() : host_memory_available() / ranks.local_size();
    return -static_cast<std::int64_t>(ranks.max(-static_cast<double>(own)));
}

}  // namespace bv
