#pragma once

#include <vector>

#include "heads/blocks/block.hpp"
#include "heads/blocks/window.hpp"

namespace bv {

// Shapes below are those of one head: K of them have K in front, see BlockShape.

/// Convolution of an image: (C, N, W) to (filters, N, outputs), see Window. Weights Glorot uniform, biases 0.
class Convolution final : public Block {
  public:
    explicit Convolution(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return {weight_.size(1), window_.outputs}; }
    std::vector<NamedTensor> tensors() const override;

  private:
    Window window_;
    at::Tensor weight_;  // (K, filters, C, tokens, kernel)
    at::Tensor bias_;    // (K, filters), or undefined
};

/// Depthwise separable convolution: each channel convolved for itself, then a Linear over the channels of
/// each pixel. (C, N, W) to (filters, N, outputs). Weights Glorot uniform, biases 0.
class SeparableConvolution final : public Block {
  public:
    explicit SeparableConvolution(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return {pointwise_.size(1), window_.outputs}; }
    std::vector<NamedTensor> tensors() const override;

  private:
    Window window_;
    at::Tensor depthwise_;  // (K, C, 1, tokens, kernel)
    at::Tensor pointwise_;  // (K, filters, C, 1, 1)
    at::Tensor bias_;       // (K, filters), or undefined
};

}  // namespace bv
