#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "heads/blocks/block_definition.hpp"
#include "heads/blocks/state_batch.hpp"

namespace bv {

/// Shape of what flows from block to block: (K, C, N, width) where there are channels, else (K, N, width),
/// for K heads that are computed together; 1 instead of K while all have the same, as the states are. The L
/// states are the first channels; convolutions see an image of N rows (tokens) whose pixels have C values.
struct BlockShape {
    std::int64_t channels = 0;  ///< C; 0 = one vector a row
    std::int64_t width = 0;

    bool operator==(const BlockShape&) const = default;
};

/// "12 channels of width 7", or "width 7".
std::string to_string(const BlockShape& shape);

/// A tensor of the blocks or heads computed together (a leaf, float32): (K, ...), head k's is `tensor[k]`.
struct NamedTensor {
    std::string name;
    at::Tensor tensor;
    bool trained = true;  ///< by gradients, or a buffer that `forward` keeps in training
};

/// What a learned pooling made of its layers.
struct LayerWeights {
    std::vector<double> weights;  ///< (L) softmax of the learned weights
    double gamma = 1;             ///< learned scale of their mix
};

/// The part of a step's batch that a process trains a head on, beside others which have the other parts.
struct Share {
    /// Replaces a tensor by its sum over all shares, whose processes call it in the same order; none = this
    /// share is the whole batch.
    std::function<void(const at::Tensor&)> sum;
    /// False where the share is empty: some batch goes through the head for the sums' sake, but counts
    /// nothing.
    bool counts = true;
};

/// What every block of a head knows of the call it is in.
struct Pass {
    const StateBatch& batch;
    std::optional<std::int64_t> step;  ///< of training, counted from 0; none = evaluation
    Share share = {};                  ///< in training
};

/// A building block of K heads of one definition, computed together: a function of what flows through each,
/// with tensors of its own for each. The results of one are those that it has by itself, but for rounding.
class Block {
  public:
    /// What a block is made from.
    struct Context {
        const BlockDefinition& definition;
        BlockShape input;                        ///< what the block before it hands on
        std::int64_t hidden_size = 0;            ///< H of the states
        std::vector<at::Generator>& generators;  ///< (K) where the initial values of each come from

        std::int64_t heads() const { return static_cast<std::int64_t>(generators.size()); }

        /// Throws Error naming the place unless the input has channels, or one vector a row.
        void require_channels() const;
        void require_vectors() const;
    };

    virtual ~Block() = default;

    /// x of the shape `input`, of K or of all alike; float32, unless it `reads_any_type`. In training it may
    /// change the block's buffers.
    virtual at::Tensor forward(const at::Tensor& x, const Pass& pass) const = 0;

    /// Whether it takes states as they were read, in float16 or bfloat16 too. What comes out is float32.
    virtual bool reads_any_type() const { return false; }

    /// The shape of what `forward` returns.
    virtual BlockShape output() const = 0;

    /// Its tensors, named within the block.
    virtual std::vector<NamedTensor> tensors() const { return {}; }

    /// What head `k` learned of its layers, for every learned pooling in it.
    virtual std::vector<LayerWeights> layer_weights(std::int64_t /*k*/) const { return {}; }
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
