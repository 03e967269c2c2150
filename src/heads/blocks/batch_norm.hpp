#pragma once

#include <vector>

#include "heads/blocks/block.hpp"

namespace bv {

/// Batch normalisation with Keras's epsilon 1e-3 and momentum 0.99, over all rows (and the width) of each
/// channel of (C, N, W), or of each value of (N, W), for each of K heads. Scale 1 and shift 0 at first. In
/// training by the statistics of the pass, which its buffers, the running mean and variance (0 and 1 at
/// first), follow; in evaluation by those.
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
