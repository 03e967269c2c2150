#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "adapter/block_definition.hpp"
#include "adapter/state_batch.hpp"

namespace bv {

/// Shape of what flows from block to block: (L, N, width) where there are layers, else (N, width).
struct BlockShape {
    std::int64_t layers = 0;  ///< L; 0 = one vector a row
    std::int64_t width = 0;
};

/// A trained tensor of a block or head.
struct NamedTensor {
    std::string name;
    at::Tensor tensor;
};

/// What a learned pooling made of its layers.
struct LayerWeights {
    std::vector<double> weights;  ///< (L) softmax of the learned weights
    double gamma = 1;             ///< learned scale of their mix
};

/// A building block of heads: a function of what flows through the head, with trained tensors (leaves,
/// float32).
class Block {
  public:
    /// What a block is made from.
    struct Context {
        const BlockDefinition& definition;
        BlockShape input;          ///< what the block before it hands on
        std::int64_t hidden_size;  ///< H of the states
        at::Generator& generator;  ///< where its initial values come from
    };

    virtual ~Block() = default;

    /// x as `input` was declared, from the same `batch`.
    virtual at::Tensor forward(const at::Tensor& x, const StateBatch& batch) const = 0;

    /// The shape of what `forward` returns.
    virtual BlockShape output() const = 0;

    /// Trained tensors, named within the block.
    virtual std::vector<NamedTensor> parameters() const { return {}; }

    /// What the block learned of its layers, where it pools them.
    virtual std::optional<LayerWeights> layer_weights() const { return {}; }
};

/// A type of block, the keys its definition may have beside "type", and its maker.
struct BlockType {
    std::string name;
    std::vector<std::string> keys;
    std::unique_ptr<Block> (*make)(const Block::Context&);
};

/// Every type of block there is.
const std::vector<BlockType>& block_types();

/// The block `context.definition` describes. Throws Error naming its place when it cannot follow what comes
/// before it.
std::unique_ptr<Block> make_block(const Block::Context& context);

}  // namespace bv
