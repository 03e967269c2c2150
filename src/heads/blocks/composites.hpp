#pragma once

#include <cstdint>
#include <vector>

#include "heads/blocks/block.hpp"
#include "heads/blocks/block_chain.hpp"

namespace bv {

/// A chain of blocks several times over, each time with tensors of its own.
class Repeat final : public Block {
  public:
    explicit Repeat(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return turns_.back().output(); }
    std::vector<NamedTensor> tensors() const override;
    std::vector<LayerWeights> layer_weights(std::int64_t k) const override;

  private:
    std::vector<BlockChain> turns_;
};

/// blocks(x) + shortcut(x), of equal shape; without a shortcut blocks(x) + x.
class Residual final : public Block {
  public:
    explicit Residual(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return blocks_.output(); }
    std::vector<NamedTensor> tensors() const override;
    std::vector<LayerWeights> layer_weights(std::int64_t k) const override;

  private:
    BlockChain blocks_;
    BlockChain shortcut_;
};

/// Several chains on the same x, their outputs side by side: their channels, where all have channels of one
/// width, or their vectors.
class Branches final : public Block {
  public:
    explicit Branches(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return output_; }
    std::vector<NamedTensor> tensors() const override;
    std::vector<LayerWeights> layer_weights(std::int64_t k) const override;

  private:
    std::vector<BlockChain> branches_;
    BlockShape output_;
};

}  // namespace bv
