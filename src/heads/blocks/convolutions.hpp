#pragma once

#include <vector>

#include "heads/blocks/block.hpp"
#include "heads/blocks/window.hpp"

namespace bv {

// The shapes below are those of one head. K heads have K as their first dimension (see BlockShape).

/// Convolution of an image: (C, N, W) to (filters, N, outputs); Window says how many outputs there are.
/// Weights start Glorot uniform, biases at 0.
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

/// Depthwise separable convolution: first each channel is convolved by itself, then a Linear works on the
/// channels of each pixel. (C, N, W) to (filters, N, outputs). Weights start Glorot uniform, biases at 0.
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
