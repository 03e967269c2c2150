#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "heads/blocks/block.hpp"

namespace bv {

/// Blocks one after another: a whole head, or a part of one. An empty chain returns its input.
class BlockChain {
  public:
    /// Makes the blocks for an input of shape `input`. Throws Error, which names the place, when a block
    /// cannot follow the one before it.
    BlockChain(const BlockDefinition::Chain& definitions, BlockShape input, std::int64_t hidden_size,
               std::vector<at::Generator>& generators);

    at::Tensor forward(at::Tensor x, const Pass& pass) const;

    /// As forward, but without the last block.
    at::Tensor forward_before_last(at::Tensor x, const Pass& pass) const;
    bool reads_any_type() const { return !links_.empty() && links_.front().block->reads_any_type(); }
    BlockShape output() const { return output_; }

    /// The shape of the result of forward_before_last.
    BlockShape output_before_last() const { return before_last_; }

    /// The tensors in the order of the blocks, named "<place>.<block type>.<tensor>": "0.adapter.weight".
    std::vector<NamedTensor> tensors() const;

    /// The layer weights that the learned poolings of head `k` have learned, in the order of the blocks.
    std::vector<LayerWeights> layer_weights(std::int64_t k) const;

  private:
    struct Link {
        std::string name;  // "<place>.<block type>"
        std::unique_ptr<Block> block;
    };

    /// The result of the first `count` blocks.
    at::Tensor through_first(std::size_t count, at::Tensor x, const Pass& pass) const;

    std::vector<Link> links_;
    BlockShape before_last_;
    BlockShape output_;
};

}  // namespace bv
