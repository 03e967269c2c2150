#include "heads/blocks/convolutions.hpp"

#include <vector>

#include <ATen/ATen.h>

#include "heads/blocks/initializers.hpp"
#include "heads/blocks/packed_convolution.hpp"
#include "heads/blocks/stacked.hpp"

namespace bv {
namespace {

/// Makes the bias for `filters` outputs, zeros; undefined if the definition says `bias = false`.
at::Tensor initial_bias(const Block::Context& context, std::int64_t filters) {
    if (!context.definition.truth("bias", true)) return {};
    return at::zeros({context.heads(), filters}, at::kFloat);
}

}  // namespace

Convolution::Convolution(const Context& context) : window_(context) {
    const std::int64_t filters = context.definition.positive("filters");
    const std::int64_t pixels = window_.tokens * window_.kernel;
    weight_ = glorot_uniform({filters, context.input.channels, window_.tokens, window_.kernel},
                             filters * pixels, context.input.channels * pixels, context.generators);
    bias_ = initial_bias(context, filters);
}

at::Tensor Convolution::forward(const at::Tensor& x, const Pass& pass) const {
    return convolve(x, weight_, bias_, window_, pass.batch);
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
    // For the initial values Keras counts all channels as inputs of a depthwise kernel, and one channel as
    // its output.
    depthwise_ = glorot_uniform({channels, 1, window_.tokens, window_.kernel}, pixels, channels * pixels,
                                context.generators);
    pointwise_ = glorot_uniform({filters, channels, 1, 1}, filters, channels, context.generators);
    bias_ = initial_bias(context, filters);
}

at::Tensor SeparableConvolution::forward(const at::Tensor& x, const Pass& pass) const {
    const at::Tensor y = convolve_channels(x, depthwise_, window_, pass.batch);
    return linears(y.permute({0, 2, 3, 1}), pointwise_.flatten(2), bias_).permute({0, 3, 1, 2});
}

std::vector<NamedTensor> SeparableConvolution::tensors() const {
    std::vector<NamedTensor> all{{"depthwise", depthwise_}, {"pointwise", pointwise_}};
    if (bias_.defined()) all.push_back({"bias", bias_});
    return all;
}

}  // namespace bv
