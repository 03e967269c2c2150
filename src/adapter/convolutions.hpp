#pragma once

#include <vector>

#include "adapter/block.hpp"
#include "adapter/window.hpp"

namespace bv {

/// Convolution of an image: (C, N, W) to (filters, N, outputs), see Window. Weights Glorot uniform, biases 0.
class Convolution final : public Block {
  public:
    explicit Convolution(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    std::vector<at::Tensor> forward_alike(const std::vector<const Block*>& alike, const at::Tensor& x,
                                          const Pass& pass) const override;
    BlockShape output() const override { return {weight_.size(0), window_.outputs}; }
    std::vector<NamedTensor> tensors() const override;

  private:
    Window window_;
    at::Tensor weight_;  // (filters, C, tokens, kernel)
    at::Tensor bias_;    // (filters), or undefined
};

/// Depthwise separable convolution: each channel convolved for itself, then a Linear over the channels of
/// each pixel. (C, N, W) to (filters, N, outputs). Weights Glorot uniform, biases 0.
class SeparableConvolution final : public Block {
  public:
    explicit SeparableConvolution(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return {pointwise_.size(0), window_.outputs}; }
    std::vector<NamedTensor> tensors() const override;

  private:
    Window window_;
    at::Tensor depthwise_;  // (C, 1, tokens, kernel)
    at::Tensor pointwise_;  // (filters, C, 1, 1)
    at::Tensor bias_;       // (filters), or undefined
};

}  // namespace bv
