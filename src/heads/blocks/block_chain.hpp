#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "heads/blocks/block.hpp"

namespace bv {

/// Blocks one after another: a head, or part of one. None at all hand on what they get.
class BlockChain {
  public:
    /// Throws Error naming the place of a block that cannot follow the one before it.
    BlockChain(const BlockDefinition::Chain& definitions, BlockShape input, std::int64_t hidden_size,
               std::vector<at::Generator>& generators);

    at::Tensor forward(at::Tensor x, const Pass& pass) const;
    bool reads_any_type() const { return !links_.empty() && links_.front().block->reads_any_type(); }
    BlockShape output() const { return output_; }

    /// Tensors in the order of the blocks, named "<place>.<block type>.<tensor>": "0.adapter.weight".
    std::vector<NamedTensor> tensors() const;

    /// What the learned poolings of head `k` learned, in the order of the blocks.
    std::vector<LayerWeights> layer_weights(std::int64_t k) const;

  private:
    struct Link {
        std::string name;  // "<place>.<block type>"
        std::unique_ptr<Block> block;
    };
    std::vector<Link> links_;
    BlockShape output_;
};

}  // namespace bv
