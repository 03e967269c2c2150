#include "device/available_memory.hpp"

#include <c10/core/CachingDeviceAllocator.h>

#include "device/gpus.hpp"
#include "device/host_memory.hpp"

namespace bv {
namespace {

/// The bytes of a GPU that Torch's allocator holds and can use for new tensors.
std::int64_t kept_by_torch(at::Device device) {
    c10::DeviceAllocator* allocator = c10::getDeviceAllocator(device.type());
    if (!allocator->initialized()) return 0;
    const auto stats = allocator->getDeviceStats(device.index());
    constexpr auto kAll = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    return stats.reserved_bytes[kAll].current - stats.active_bytes[kAll].current;
}

}  // namespace

std::int64_t available_memory(at::Device device, const Communicator& ranks) {
    const std::int64_t own = device.is_cuda() ? free_gpu_memory() + kept_by_torch(device)
                                              : available_host_memory() / ranks.local_size();
    return -static_cast<std::int64_t>(ranks.max(-static_cast<double>(own)));
}

}  // namespace bv
