#include "adapter/blocks.hpp"

#include <ATen/ATen.h>

#include "adapter/initializers.hpp"
#include "core/error.hpp"

namespace bv {
namespace {

void require_layers(const Block::Context& context) {
    if (context.input.layers == 0) {
        fail("{}: block '{}' works on layers, but a block before it has already pooled or flattened them",
             context.definition.place, context.definition.type);
    }
}

void require_no_layers(const Block::Context& context) {
    if (context.input.layers > 0) {
        fail(
            "{}: block '{}' works on one vector a token, but there are {} layers of them; put "
            "learned_pooling, "
            "average_pooling or flatten before it",
            context.definition.place, context.definition.type, context.input.layers);
    }
}

}  // namespace

LearnedPooling::LearnedPooling(const Context& context)
    : input_(context.input),
      weights_(normal({context.input.layers}, 0.05, context.generator)),
      gamma_(at::ones({1}, at::kFloat)) {
    require_layers(context);
}

at::Tensor LearnedPooling::forward(const at::Tensor& x, const StateBatch& /*batch*/) const {
    const at::Tensor mix = gamma_ * at::softmax(weights_, 0);
    // A matrix-vector product over the transposed view: BLAS reads the states in place, as no broadcast
    // product does.
    return at::mv(x.reshape({input_.layers, -1}).t(), mix).view({x.size(1), input_.width});
}

std::optional<LayerWeights> LearnedPooling::layer_weights() const {
    const at::Tensor shares = at::softmax(weights_.detach().cpu().to(at::kDouble), 0);
    return LayerWeights{{shares.const_data_ptr<double>(), shares.const_data_ptr<double>() + shares.numel()},
                        gamma_.item<double>()};
}

AveragePooling::AveragePooling(const Context& context) : input_(context.input) {
    require_layers(context);
}

at::Tensor AveragePooling::forward(const at::Tensor& x, const StateBatch& /*batch*/) const {
    return x.mean(0);
}

Adapter::Adapter(const Context& context)
    : input_(context.input),
      width_(context.definition.positive("width")),
      shared_(context.definition.truth("shared", true)) {
    if (!shared_) require_layers(context);
    constexpr double kDeviation = 1e-3;
    if (shared_) {
        weight_ = truncated_normal({width_, input_.width}, kDeviation, context.generator);
        bias_ = at::zeros({width_}, at::kFloat);
    } else {
        weight_ = truncated_normal({input_.layers, width_, input_.width}, kDeviation, context.generator);
        bias_ = at::zeros({input_.layers, width_}, at::kFloat);
    }
}

at::Tensor Adapter::forward(const at::Tensor& x, const StateBatch& /*batch*/) const {
    const at::Tensor projected =
        shared_ ? at::linear(x, weight_, bias_) : at::baddbmm(bias_.unsqueeze(1), x, weight_.transpose(1, 2));
    return at::gelu(projected, "tanh");
}

Flatten::Flatten(const Context& context) : input_(context.input) {
    require_layers(context);
}

at::Tensor Flatten::forward(const at::Tensor& x, const StateBatch& /*batch*/) const {
    return x.permute({1, 2, 0}).reshape({x.size(1), input_.layers * input_.width});
}

Skip::Skip(const Context& context) : width_(context.input.width + context.hidden_size) {
    require_no_layers(context);
}

at::Tensor Skip::forward(const at::Tensor& x, const StateBatch& batch) const {
    return at::cat({x, batch.states.select(0, -1)}, 1);
}

Linear::Linear(const Context& context)
    : weight_(glorot_uniform(context.definition.positive("width"), context.input.width, context.generator)),
      bias_(at::zeros({weight_.size(0)}, at::kFloat)) {
    require_no_layers(context);
}

at::Tensor Linear::forward(const at::Tensor& x, const StateBatch& /*batch*/) const {
    return at::linear(x, weight_, bias_);
}

}  // namespace bv
