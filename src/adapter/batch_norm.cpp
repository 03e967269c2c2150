#include "adapter/batch_norm.hpp"

#include <ATen/ATen.h>

namespace bv {

BatchNorm::BatchNorm(const Context& context) : shape_(context.input) {
    const std::int64_t size = shape_.channels > 0 ? shape_.channels : shape_.width;
    scale_ = at::ones({size}, at::kFloat);
    shift_ = at::zeros({size}, at::kFloat);
    mean_ = at::zeros({size}, at::kFloat);
    variance_ = at::ones({size}, at::kFloat);
}

at::Tensor BatchNorm::forward(const at::Tensor& x, const Pass& pass) const {
    constexpr double kEpsilon = 1e-3;
    constexpr double kNewShare = 0.01;  // of the running statistics: 1 - momentum in Keras's sense
    const bool image = shape_.channels > 0;
    // A single value has no variance: it goes by the running statistics and leaves them alone.
    const bool training = pass.step.has_value() && x.numel() > scale_.numel();
    const at::Tensor y = at::batch_norm(image ? x.unsqueeze(0) : x, scale_, shift_, mean_, variance_,
                                        training, kNewShare, kEpsilon, true);
    return image ? y.squeeze(0) : y;
}

}  // namespace bv
