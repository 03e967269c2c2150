#pragma once

#include <cstdint>
#include <vector>

#include "heads/blocks/block.hpp"
#include "heads/blocks/block_chain.hpp"

namespace bv {

/// The same chain of blocks several times, one after another. Each time it has tensors of its own.
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

/// blocks(x) + shortcut(x), which must have the same shape; otherwise the constructor throws Error, which
/// names the place. Without a shortcut, blocks(x) + x.
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

/// Several chains that all get the same x. Their outputs are concatenated: along the channels if all have
/// channels of one width, along the width if all have vectors; otherwise the constructor throws Error, which
/// names the place.
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
