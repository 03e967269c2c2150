#include <stdexcept>
#include <string>

#include "bert/dropout_cuda.hpp"

namespace bv {
namespace {

/// One thread draws one counter and masks its eight elements, which stand kPhiloxLanes apart.
template <typename T>
__global__ void mask_kernel(T* data, std::int64_t count, DropoutStream stream) {
    const std::int64_t counter = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    const std::int64_t first = counter / kPhiloxLanes * kPhiloxGroup + counter % kPhiloxLanes;
    if (first >= count) return;
    const PhiloxWords drawn = philox(stream, static_cast<std::uint32_t>(counter));
    for (int half = 0; half < 8; ++half) {
        const std::int64_t element = first + half * kPhiloxLanes;
        if (element >= count) return;
        const bool kept = half_word(drawn, half) >= stream.threshold;
        data[element] = kept ? static_cast<float>(data[element]) * stream.scale : 0.0F;
    }
}

template <typename T>
void mask(T* data, std::int64_t count, const DropoutStream& stream) {
    if (count == 0) return;
    constexpr std::int64_t kThreads = 256;
    const std::int64_t counters = (count + kPhiloxGroup - 1) / kPhiloxGroup * kPhiloxLanes;
    mask_kernel<<<static_cast<unsigned>((counters + kThreads - 1) / kThreads), kThreads>>>(data, count,
                                                                                           stream);
    const cudaError_t code = cudaGetLastError();
    if (code != cudaSuccess)
        throw std::runtime_error(std::string("dropout kernel failed: ") + cudaGetErrorString(code));
}

}  // namespace

void mask_on_gpu(float* data, std::int64_t count, const DropoutStream& stream) {
    mask(data, count, stream);
}

void mask_on_gpu(c10::BFloat16* data, std::int64_t count, const DropoutStream& stream) {
    mask(data, count, stream);
}

}  // namespace bv
