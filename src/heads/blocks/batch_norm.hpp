#pragma once

#include <vector>

#include "heads/blocks/block.hpp"

namespace bv {

/// Batch normalisation, for each of K heads, with Keras's epsilon 1e-3 and momentum 0.99. It normalises
/// each channel of (C, N, W) over all rows and the width, or each value of (N, W) over all rows. Scale is 1
/// and shift 0 at first. Training uses the statistics of the pass. The running mean and variance (0 and 1
/// at first) are buffers that follow these statistics; evaluation uses them.
class BatchNorm final : public Block {
  public:
    explicit BatchNorm(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return shape_; }
    std::vector<NamedTensor> tensors() const override {
        return {{"scale", scale_}, {"shift", shift_}, {"mean", mean_, false}, {"variance", variance_, false}};
    }

  private:
    BlockShape shape_;
    at::Tensor scale_, shift_;    // (K, C), or (K, W)
    at::Tensor mean_, variance_;  // (K, C), or (K, W)
};

}  // namespace bv
