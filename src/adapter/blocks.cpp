#include "adapter/blocks.hpp"

#include <ATen/ATen.h>

#include "adapter/initializers.hpp"
#include "adapter/layer_mix.hpp"
#include "core/error.hpp"

namespace bv {

LearnedPooling::LearnedPooling(const Context& context)
    : input_(context.input),
      weights_(normal({context.input.channels}, 0.05, context.generator)),
      gamma_(at::ones({1}, at::kFloat)) {
    context.require_channels();
}

at::Tensor LearnedPooling::mix() const {
    return gamma_ * at::softmax(weights_, 0);
}

at::Tensor LearnedPooling::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    return layer_mix(x, mix().unsqueeze(0)).squeeze(0);
}

std::vector<at::Tensor> LearnedPooling::forward_alike(const std::vector<const Block*>& alike,
                                                      const at::Tensor& x, const Pass& /*pass*/) const {
    std::vector<at::Tensor> mixes;
    for (const Block* block : alike) mixes.push_back(static_cast<const LearnedPooling&>(*block).mix());
    return layer_mix(x, at::stack(mixes)).unbind(0);
}

std::vector<LayerWeights> LearnedPooling::layer_weights() const {
    const at::Tensor shares = at::softmax(weights_.detach().cpu().to(at::kDouble), 0);
    return {{{shares.const_data_ptr<double>(), shares.const_data_ptr<double>() + shares.numel()},
             gamma_.item<double>()}};
}

AveragePooling::AveragePooling(const Context& context) : input_(context.input) {
    context.require_channels();
}

at::Tensor AveragePooling::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    const at::ScalarType type = at::promote_types(x.scalar_type(), at::kFloat);
    const double share = 1.0 / static_cast<double>(input_.channels);
    return layer_mix(x, at::full({1, input_.channels}, share, x.options().dtype(type))).squeeze(0);
}

std::vector<at::Tensor> AveragePooling::forward_alike(const std::vector<const Block*>& alike,
                                                      const at::Tensor& x, const Pass& pass) const {
    return std::vector<at::Tensor>(alike.size(), forward(x, pass));
}

Adapter::Adapter(const Context& context)
    : input_(context.input),
      width_(context.definition.positive("width")),
      shared_(context.definition.truth("shared", true)) {
    if (!shared_) context.require_channels();
    constexpr double kDeviation = 1e-3;
    if (shared_) {
        weight_ = truncated_normal({width_, input_.width}, kDeviation, context.generator);
        bias_ = at::zeros({width_}, at::kFloat);
    } else {
        weight_ = truncated_normal({input_.channels, width_, input_.width}, kDeviation, context.generator);
        bias_ = at::zeros({input_.channels, width_}, at::kFloat);
    }
}

at::Tensor Adapter::adapted(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) const {
    const at::Tensor projected =
        shared_ ? at::linear(x, weight, bias) : at::baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2));
    return at::gelu(projected, "tanh");
}

at::Tensor Adapter::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    return adapted(x, weight_, bias_);
}

std::vector<at::Tensor> Adapter::forward_alike(const std::vector<const Block*>& alike, const at::Tensor& x,
                                               const Pass& /*pass*/) const {
    std::vector<at::Tensor> weights;
    std::vector<at::Tensor> biases;
    for (const Block* block : alike) {
        weights.push_back(static_cast<const Adapter&>(*block).weight_);
        biases.push_back(static_cast<const Adapter&>(*block).bias_);
    }
    // One adapter as wide as all of them together.
    return adapted(x, at::cat(weights, -2), at::cat(biases, -1)).split(width_, -1);
}

Flatten::Flatten(const Context& context) : input_(context.input) {
    context.require_channels();
}

at::Tensor Flatten::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    return x.permute({1, 2, 0}).reshape({x.size(1), input_.channels * input_.width});
}

Unflatten::Unflatten(const Context& context) {
    context.require_vectors();
    output_.channels = context.definition.positive("channels");
    output_.width = context.input.width / output_.channels;
    if (output_.width * output_.channels != context.input.width) {
        fail("{}: {} channels do not divide the width before them, {}", context.definition.place,
             output_.channels, context.input.width);
    }
}

at::Tensor Unflatten::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    return x.reshape({x.size(0), output_.width, output_.channels}).permute({2, 0, 1});
}

Skip::Skip(const Context& context) : width_(context.input.width + context.hidden_size) {
    context.require_vectors();
}

at::Tensor Skip::forward(const at::Tensor& x, const Pass& pass) const {
    return at::cat({x, pass.batch.states.select(0, -1).to(x.scalar_type())}, 1);
}

Linear::Linear(const Context& context)
    : weight_(glorot_uniform({context.definition.positive("width"), context.input.width},
                             context.definition.positive("width"), context.input.width, context.generator)),
      bias_(at::zeros({weight_.size(0)}, at::kFloat)) {
    context.require_vectors();
}

at::Tensor Linear::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    return at::linear(x, weight_, bias_);
}

at::Tensor Activation::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    return relu_ ? at::relu(x) : at::gelu(x, "tanh");
}

}  // namespace bv
