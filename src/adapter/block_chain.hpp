#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "adapter/block.hpp"

namespace bv {

/// Blocks one after another: a head, or part of one. None at all hand on what they get.
class BlockChain {
  public:
    /// Throws Error naming the place of a block that cannot follow the one before it.
    BlockChain(const BlockDefinition::Chain& definitions, BlockShape input, std::int64_t hidden_size,
               at::Generator& generator);

    at::Tensor forward(at::Tensor x, const Pass& pass) const;

    /// What `forward` of each of `alike` returns for the same x: chains of one definition. What they have in
    /// common until their ways part is one computation.
    static std::vector<at::Tensor> forward_alike(const std::vector<const BlockChain*>& alike,
                                                 const at::Tensor& x, const Pass& pass);
    bool reads_any_type() const { return !links_.empty() && links_.front().block->reads_any_type(); }
    BlockShape output() const { return output_; }

    /// Tensors in the order of the blocks, named "<place>.<block type>.<tensor>": "0.adapter.weight".
    std::vector<NamedTensor> tensors() const;

    /// What the learned poolings learned, in the order of the blocks.
    std::vector<LayerWeights> layer_weights() const;

  private:
    struct Link {
        std::string name;  // "<place>.<block type>"
        std::unique_ptr<Block> block;
    };
    std::vector<Link> links_;
    BlockShape output_;
};

}  // namespace bv
