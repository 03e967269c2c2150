#include "heads/blocks/batch_norm.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "heads/blocks/stacked.hpp"
#include "tensor/saved_value.hpp"

namespace bv {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The statistics of each channel, over all shares of a batch.
struct Statistics {
    at::Tensor count;     // scalar: how many values a channel has
    at::Tensor mean;      // (K, C)
    at::Tensor variance;  // (K, C), the biased variance
};

/// x as (K, C, N, W), a view; vectors (K, N, W) become W channels (K, W, N, 1).
at::Tensor as_channels(const at::Tensor& x) {
    return x.dim() == 4 ? x : x.transpose(1, 2).unsqueeze(3);
}

/// Values (K, C) as a view that broadcasts over (K, C, N, W).
at::Tensor beside(const at::Tensor& of_channels) {
    return of_channels.unsqueeze(2).unsqueeze(3);
}

void sum_over(const Share& share, const at::Tensor& sums) {
    if (!share.counts) sums.zero_();
    if (share.sum) share.sum(sums);
}

/// Computes the mean first, then the squares of the differences from it: sums of the plain squares would
/// lose their digits when the two nearly cancel.
Statistics statistics_of(const at::Tensor& x, const Share& share) {
    const c10::NoGradGuard no_graph;
    const at::Tensor own_count = at::full({1}, x.size(2) * x.size(3), x.options());
    const at::Tensor sums = at::cat({x.sum({2, 3}).flatten(), own_count});
    sum_over(share, sums);
    const at::Tensor count = sums[-1];
    const at::Tensor mean = sums.narrow(0, 0, sums.numel() - 1).view({x.size(0), x.size(1)}) / count;
    const at::Tensor squares = (x - beside(mean)).square_().sum({2, 3});
    sum_over(share, squares);
    return {count, mean, squares / count};
}

/// Computes (x - mean) * inverse * scale + shift over x (K, C, N, W). `inverse` is 1 / standard deviation.
/// `mean` and `inverse` come from the x of all shares, so every share's output depends on every share's
/// input.
class Normalise : public torch::autograd::Function<Normalise> {
  public:
    static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& scale,
                              const at::Tensor& shift, const Statistics& of, const at::Tensor& inverse,
                              const Share& share) {
        context->save_for_backward({x, scale, of.mean, inverse, of.count});
        save_value(*context, share);
        const at::Tensor factor = inverse * scale;
        return x * beside(factor) + beside(shift - of.mean * factor);
    }

    static variable_list backward(AutogradContext* context, const variable_list& gradients) {
        const auto saved = context->get_saved_variables();
        const at::Tensor &x = saved[0], &scale = saved[1], &mean = saved[2], &inverse = saved[3];
        const at::Tensor& gradient = gradients[0];
        const auto& share = saved_value<Share>(*context);
        const at::Tensor normal = (x - beside(mean)).mul_(beside(inverse));
        const at::Tensor of_scale = (gradient * normal).sum({2, 3});
        const at::Tensor of_shift = gradient.sum({2, 3});
        const at::Tensor sums = at::stack({of_scale, of_shift});
        sum_over(share, sums);
        const at::Tensor means = sums / saved[4];
        const at::Tensor of_x =
            share.counts
                ? (gradient - normal * beside(means[0]) - beside(means[1])).mul_(beside(inverse * scale))
                : at::zeros_like(x);
        return {of_x, of_scale, of_shift, {}, {}, {}};
    }
};

}  // namespace

BatchNorm::BatchNorm(const Context& context) : shape_(context.input) {
    const std::int64_t size = shape_.channels > 0 ? shape_.channels : shape_.width;
    const std::int64_t of_each[] = {context.heads(), size};
    scale_ = at::ones(of_each, at::kFloat);
    shift_ = at::zeros(of_each, at::kFloat);
    mean_ = at::zeros(of_each, at::kFloat);
    variance_ = at::ones(of_each, at::kFloat);
}

at::Tensor BatchNorm::forward(const at::Tensor& x, const Pass& pass) const {
    constexpr double kEpsilon = 1e-3;
    constexpr double kNewShare = 0.01;  // the share of the new value in a running one: 1 - Keras's momentum
    const at::Tensor channels = for_each_head(as_channels(x), scale_.size(0));
    at::Tensor y;
    if (pass.step) {
        const Statistics of = statistics_of(channels, pass.share);
        y = Normalise::apply(channels, scale_, shift_, of, (of.variance + kEpsilon).rsqrt(), pass.share);
        mean_.lerp_(of.mean, kNewShare);
        // The unbiased variance. As in Keras's fused layer, a single value has the variance 0.
        variance_.lerp_(of.variance * (of.count / (of.count - 1).clamp_min(1)), kNewShare);
    } else {
        const at::Tensor factor = scale_ * (variance_ + kEpsilon).rsqrt();
        y = channels * beside(factor) + beside(shift_ - mean_ * factor);
    }
    return shape_.channels > 0 ? y : y.squeeze(3).transpose(1, 2);
}

}  // namespace bv
