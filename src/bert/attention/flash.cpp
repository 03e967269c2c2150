#include <mutex>
#include <vector>

#include <ATen/ATen.h>

#include "bert/attention/attention.hpp"

#ifdef BV_CUDA
#include <cuda_runtime_api.h>
#endif

namespace bv {
namespace {

/// Seeds the device's generator so that the next mask that a kernel draws depends only on `dropout`.
void seed_generator(at::Device device, const DropoutPlan& dropout) {
    const PhiloxWords drawn = philox(dropout.stream(0), 0);
    at::Generator generator = at::globalContext().defaultGenerator(device);
    const std::scoped_lock lock(generator.mutex());
    generator.set_current_seed(std::uint64_t{drawn.c[0]} << 32 | drawn.c[1]);
}

/// 80 for a GPU of compute capability 8.0; 0 if CUDA does not know it.
int capability_of(at::Device device) {
    int major = 0;
    int minor = 0;
#ifdef BV_CUDA
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device.index());
    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device.index());
#else
    static_cast<void>(device);
#endif
    return 10 * major + minor;
}

}  // namespace

bool has_flash_attention(at::ScalarType precision, std::int64_t head_size, int capability) {
    if (precision != at::kBFloat16 || capability < 80 || head_size % 8 != 0 || head_size > 256) return false;
    // For larger heads the backward pass needs more shared memory than these GPUs have.
    const bool small = capability == 86 || capability == 89 || capability >= 120;
    return !small || head_size <= 192;
}

bool takes_flash_attention(at::Device device, at::ScalarType precision, std::int64_t head_size) {
    return device.is_cuda() && has_flash_attention(precision, head_size, capability_of(device));
}

at::Tensor flash_attention(const at::Tensor& query_key_value, std::int64_t heads,
                           const DropoutPlan& dropout) {
    const std::int64_t tokens = query_key_value.size(0);
    const std::int64_t hidden = query_key_value.size(1) / 3;
    const std::int64_t longest = dropout.sequences->longest();
    const at::Tensor& bounds = dropout.sequences->bounds;
    // unbind, not select: with select the gradient of each part would be as large as all three parts.
    const std::vector<at::Tensor> parts = query_key_value.view({tokens, 3, heads, hidden / heads}).unbind(1);
    if (dropout.p > 0) seed_generator(query_key_value.device(), dropout);
    const at::Tensor output = std::get<0>(at::_flash_attention_forward(
        parts[0], parts[1], parts[2], bounds, bounds, longest, longest, dropout.p, /*is_causal=*/false,
        /*return_debug_mask=*/false));
    return output.reshape({tokens, hidden});
}

}  // namespace bv
