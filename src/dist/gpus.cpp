#include "dist/gpus.hpp"

#ifdef BV_CUDA
#include <filesystem>
#include <stdexcept>

#include <cuda_runtime_api.h>

#include "core/error.hpp"
#endif

namespace bv {

int gpu_count() {
#ifdef BV_CUDA
    int count = 0;
    const cudaError_t code = cudaGetDeviceCount(&count);
    if (code == cudaSuccess) return count;
    // Without a driver CUDA calls the driver too old; its control device tells whether there is one.
    if (code != cudaErrorNoDevice && std::filesystem::exists("/dev/nvidiactl")) {
        fail("CUDA cannot use this host's GPUs: {}; --device cpu does without them",
             cudaGetErrorString(code));
    }
#endif
    return 0;
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

}  // namespace bv
