#include <stdexcept>
#include <string>

#include "random/dropout_cuda.hpp"

namespace bv {
namespace {

/// Sequences are along y and the counters of a sequence along x, so that one launch handles a whole batch.
template <typename From, typename To>
__global__ void mask_kernel(const From* from, const float* added, To* to, MaskedRows rows) {
    const std::int64_t counter = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (std::int64_t b = blockIdx.y; b < rows.sequences; b += gridDim.y) {
        mask_counter(from, added, to, rows, b, counter);
    }
}

}  // namespace

template <typename From, typename To>
void mask_on_gpu(const From* from, const float* added, To* to, const MaskedRows& rows) {
    constexpr std::int64_t kThreads = 256;
    constexpr std::int64_t kMostAlongY = 65535;
    const std::int64_t counters = counters_of(rows, rows.longest);
    if (counters == 0 || rows.sequences == 0) return;
    const dim3 blocks(static_cast<unsigned>((counters + kThreads - 1) / kThreads),
                      static_cast<unsigned>(rows.sequences < kMostAlongY ? rows.sequences : kMostAlongY));
    mask_kernel<<<blocks, kThreads>>>(from, added, to, rows);
    const cudaError_t code = cudaGetLastError();
    if (code != cudaSuccess)
        throw std::runtime_error(std::string("dropout kernel failed: ") + cudaGetErrorString(code));
}

template void mask_on_gpu(const float*, const float*, float*, const MaskedRows&);
template void mask_on_gpu(const float*, const float*, c10::BFloat16*, const MaskedRows&);
template void mask_on_gpu(const c10::BFloat16*, const float*, float*, const MaskedRows&);
template void mask_on_gpu(const c10::BFloat16*, const float*, c10::BFloat16*, const MaskedRows&);

}  // namespace bv
