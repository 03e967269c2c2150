#include "heads/blocks/simple_blocks.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.hpp"
#include "heads/blocks/flat_gelu.hpp"
#include "heads/blocks/initializers.hpp"
#include "heads/blocks/layer_mix.hpp"
#include "heads/blocks/mixed_linear.hpp"
#include "heads/blocks/stacked.hpp"
#include "tensor/float8.hpp"
#include "tensor/to_host.hpp"

namespace bv {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The tanh-approximated GELU. Its gradient is first brought into the memory order of x. If the two orders
/// differ, as they do after Flatten, at::gelu_backward takes one value at a time.
class Gelu : public torch::autograd::Function<Gelu> {
  public:
    static at::Tensor forward(AutogradContext* context, const at::Tensor& x) {
        context->save_for_backward({x});
        return at::gelu(x, "tanh");
    }

    static variable_list backward(AutogradContext* context, const variable_list& gradients) {
        const at::Tensor x = context->get_saved_variables()[0];
        at::Tensor gradient = gradients[0];
        if (gradient.strides() != x.strides()) gradient = at::empty_like(x).copy_(gradient);
        return {at::gelu_backward(gradient, x, "tanh")};
    }
};

}  // namespace

LearnedPooling::LearnedPooling(const Context& context)
    : input_(context.input),
      weights_(normal({context.input.channels}, 0.05, context.generators)),
      gamma_(at::ones({context.heads(), 1}, at::kFloat)) {
    context.require_channels();
}

at::Tensor LearnedPooling::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    return layer_mix(x, mixes());
}

at::Tensor LearnedPooling::forward_through(const Block& next, const at::Tensor& x) const {
    const auto* linear = dynamic_cast<const Linear*>(&next);
    if (linear == nullptr || !has_mixed_linear(x, linear->weight())) return {};
    return mixed_linear(x, mixes(), linear->weight(), linear->bias());
}

at::Tensor LearnedPooling::mixes() const {
    return gamma_ * at::softmax(weights_, 1);
}

std::vector<LayerWeights> LearnedPooling::layer_weights(std::int64_t k) const {
    const at::Tensor shares = at::softmax(to_host(weights_.detach()[k]).to(at::kDouble), 0);
    return {{{shares.const_data_ptr<double>(), shares.const_data_ptr<double>() + shares.numel()},
             value_of(gamma_[k])}};
}

AveragePooling::AveragePooling(const Context& context) : input_(context.input) {
    context.require_channels();
}

at::Tensor AveragePooling::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    const at::ScalarType type = at::promote_types(x.scalar_type(), at::kFloat);
    const double share = 1.0 / static_cast<double>(input_.channels);
    return layer_mix(x, at::full({x.size(0), input_.channels}, share, x.options().dtype(type)));
}

Adapter::Adapter(const Context& context)
    : input_(context.input),
      width_(context.definition.positive("width")),
      shared_(context.definition.truth("shared", true)) {
    if (!shared_) context.require_channels();
    constexpr double kDeviation = 1e-3;
    if (shared_) {
        weight_ = truncated_normal({width_, input_.width}, kDeviation, context.generators);
        bias_ = at::zeros({context.heads(), width_}, at::kFloat);
    } else {
        weight_ = truncated_normal({input_.channels, width_, input_.width}, kDeviation, context.generators);
        bias_ = at::zeros({context.heads(), input_.channels, width_}, at::kFloat);
    }
}

at::Tensor Adapter::projected_together(const at::Tensor& x) const {
    const at::Tensor wide = shared_ ? at::linear(x[0], weight_.flatten(0, 1), bias_.flatten())
                                    : at::baddbmm(bias_.transpose(0, 1).flatten(1, 2).unsqueeze(1), x[0],
                                                  weight_.transpose(0, 1).flatten(1, 2).transpose(1, 2));
    return wide.unflatten(-1, {weight_.size(0), width_});
}

at::Tensor Adapter::projected(const at::Tensor& x) const {
    const std::int64_t heads = weight_.size(0);
    if (x.size(0) == 1) {
        const at::Tensor together = projected_together(x);
        // For one head this is a view with the usual strides, which Gelu's gradient has too.
        return heads == 1 ? together.squeeze(-2).unsqueeze(0) : together.movedim(-2, 0).contiguous();
    }
    if (shared_) return linears(x, weight_, bias_);
    return linears(x.flatten(0, 1), weight_.flatten(0, 1), bias_.flatten(0, 1))
        .unflatten(0, {heads, input_.channels});
}

at::Tensor Adapter::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    return Gelu::apply(projected(x));
}

at::Tensor Adapter::forward_through(const Block& next, const at::Tensor& x) const {
    if (dynamic_cast<const Flatten*>(&next) == nullptr || x.size(0) != 1 || !has_flat_gelu(x)) return {};
    return flat_gelu(projected_together(x));
}

Flatten::Flatten(const Context& context) : input_(context.input) {
    context.require_channels();
}

at::Tensor Flatten::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    return x.permute({0, 2, 3, 1}).reshape({x.size(0), x.size(2), input_.channels * input_.width});
}

Unflatten::Unflatten(const Context& context) {
    context.require_vectors();
    output_.channels = context.definition.positive("channels");
    output_.width = context.input.width / output_.channels;
    if (output_.width * output_.channels != context.input.width) {
        fail("{}: {} channels do not divide the width of this block's input, {}", context.definition.place,
             output_.channels, context.input.width);
    }
}

at::Tensor Unflatten::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    return x.reshape({x.size(0), x.size(1), output_.width, output_.channels}).permute({0, 3, 1, 2});
}

Skip::Skip(const Context& context) : width_(context.input.width + context.hidden_size) {
    context.require_vectors();
}

at::Tensor Skip::forward(const at::Tensor& x, const Pass& pass) const {
    const at::Tensor last = decoded(pass.batch.states.narrow(0, -1, 1)).to(x.scalar_type());
    return at::cat({x, for_each_head(last, x.size(0))}, 2);
}

Linear::Linear(const Context& context)
    : weight_(glorot_uniform({context.definition.positive("width"), context.input.width},
                             context.definition.positive("width"), context.input.width, context.generators)),
      bias_(at::zeros({weight_.size(0), weight_.size(1)}, at::kFloat)) {
    context.require_vectors();
}

at::Tensor Linear::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    return linears(x, weight_, bias_);
}

at::Tensor Activation::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    return relu_ ? at::relu(x) : Gelu::apply(x);
}

}  // namespace bv
