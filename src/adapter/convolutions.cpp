#include "adapter/convolutions.hpp"

#include <vector>

#include <ATen/ATen.h>

#include "adapter/convolve.hpp"
#include "adapter/initializers.hpp"

namespace bv {
namespace {

/// The bias of `filters` outputs, zeros, unless the definition goes without.
at::Tensor initial_bias(const Block::Context& context, std::int64_t filters) {
    return context.definition.truth("bias", true) ? at::zeros({filters}, at::kFloat) : at::Tensor();
}

}  // namespace

Convolution::Convolution(const Context& context) : window_(context) {
    const std::int64_t filters = context.definition.positive("filters");
    const std::int64_t pixels = window_.tokens * window_.kernel;
    weight_ = glorot_uniform({filters, context.input.channels, window_.tokens, window_.kernel},
                             filters * pixels, context.input.channels * pixels, context.generator);
    bias_ = initial_bias(context, filters);
}

at::Tensor Convolution::forward(const at::Tensor& x, const Pass& pass) const {
    return convolve(x, weight_, bias_, 1, window_, pass.batch);
}

std::vector<at::Tensor> Convolution::forward_alike(const std::vector<const Block*>& alike,
                                                   const at::Tensor& x, const Pass& pass) const {
    std::vector<at::Tensor> weights;
    std::vector<at::Tensor> biases;
    for (const Block* block : alike) {
        weights.push_back(static_cast<const Convolution&>(*block).weight_);
        if (bias_.defined()) biases.push_back(static_cast<const Convolution&>(*block).bias_);
    }
    // One convolution of the filters of all of them.
    const at::Tensor bias = bias_.defined() ? at::cat(biases) : at::Tensor();
    return convolve(x, at::cat(weights), bias, 1, window_, pass.batch).split(weight_.size(0));
}

std::vector<NamedTensor> Convolution::tensors() const {
    std::vector<NamedTensor> all{{"weight", weight_}};
    if (bias_.defined()) all.push_back({"bias", bias_});
    return all;
}

SeparableConvolution::SeparableConvolution(const Context& context) : window_(context) {
    const std::int64_t filters = context.definition.positive("filters");
    const std::int64_t channels = context.input.channels;
    const std::int64_t pixels = window_.tokens * window_.kernel;
    // Keras counts all channels as inputs of a depthwise kernel, and one as its output.
    depthwise_ = glorot_uniform({channels, 1, window_.tokens, window_.kernel}, pixels, channels * pixels,
                                context.generator);
    pointwise_ = glorot_uniform({filters, channels, 1, 1}, filters, channels, context.generator);
    bias_ = initial_bias(context, filters);
}

at::Tensor SeparableConvolution::forward(const at::Tensor& x, const Pass& pass) const {
    const at::Tensor y = convolve(x, depthwise_, {}, x.size(0), window_, pass.batch);
    return at::linear(y.permute({1, 2, 0}), pointwise_.flatten(1), bias_).permute({2, 0, 1});
}

std::vector<NamedTensor> SeparableConvolution::tensors() const {
    std::vector<NamedTensor> all{{"depthwise", depthwise_}, {"pointwise", pointwise_}};
    if (bias_.defined()) all.push_back({"bias", bias_});
    return all;
}

}  // namespace bv
