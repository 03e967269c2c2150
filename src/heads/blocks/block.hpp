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

/// The shape of a tensor between two blocks: (K, C, N, width) if it has channels, otherwise (K, N, width),
/// for K heads that are computed together. The first dimension is 1 instead of K as long as all heads have
/// the same values, as is so for the states. The L states are the first channels. Convolutions see an image
/// of N rows (tokens) whose pixels have C values.
struct BlockShape {
    std::int64_t channels = 0;  ///< C; 0 = one vector a row
    std::int64_t width = 0;

    bool operator==(const BlockShape&) const = default;
};

/// "12 channels of width 7", or "width 7".
std::string to_string(const BlockShape& shape);

/// A tensor (a leaf, float32) of K blocks or heads that are computed together. Its shape is (K, ...);
/// `tensor[k]` belongs to head k.
struct NamedTensor {
    std::string name;
    at::Tensor tensor;
    bool trained = true;  ///< true: trained by gradients; false: a buffer that `forward` updates in training
};

/// The weights of the layers that a learned pooling has learned.
struct LayerWeights {
    std::vector<double> weights;  ///< (L) softmax of the learned weights
    double gamma = 1;             ///< learned scale of their mix
};

/// The part of a step's batch that one process trains a head on. Other processes have the other parts.
struct Share {
    /// Replaces a tensor by its sum over all shares. The processes of all shares call it in the same order.
    /// Empty when this share is the whole batch.
    std::function<void(const at::Tensor&)> sum;
    /// False when this share has no sequence. Then some other batch goes through the head, so that this
    /// process takes part in the sums, but it adds nothing to them.
    bool counts = true;
};

/// The call that a block is part of, as every block of a head sees it.
struct Pass {
    const StateBatch& batch;
    std::optional<std::int64_t> step;  ///< training step, counted from 0; no value = evaluation
    Share share = {};                  ///< used in training
};

/// A building block of K heads that have the same definition and are computed together. It is a function of
/// a tensor, and has tensors of its own for each head. Each head gives what it gives alone, except for
/// rounding.
class Block {
  public:
    /// Everything that a block is made from.
    struct Context {
        const BlockDefinition& definition;
        BlockShape input;                        ///< the output shape of the block before it
        std::int64_t hidden_size = 0;            ///< H of the states
        std::vector<at::Generator>& generators;  ///< (K) each head's initial values are drawn from its own

        std::int64_t heads() const { return static_cast<std::int64_t>(generators.size()); }

        /// These throw Error, which names the place, unless the input has channels, or one vector a row.
        void require_channels() const;
        void require_vectors() const;
    };

    virtual ~Block() = default;

    /// Computes the output of shape `output()` from x of shape `input`, whose first dimension is K, or 1
    /// when all heads have the same x. x is float32, unless the block `reads_any_type`. In training this
    /// may change the block's buffers.
    virtual at::Tensor forward(const at::Tensor& x, const Pass& pass) const = 0;

    /// Computes the output of `next`, the block after this one, from x, where the two are faster together.
    /// Otherwise gives no tensor.
    virtual at::Tensor forward_through(const Block& /*next*/, const at::Tensor& /*x*/) const { return {}; }

    /// Whether `forward` takes float16, bfloat16 and float8 too. The result is float32 always.
    virtual bool reads_any_type() const { return false; }

    /// The shape of the result of `forward`.
    virtual BlockShape output() const = 0;

    /// The tensors of the block. Their names are unique within the block.
    virtual std::vector<NamedTensor> tensors() const { return {}; }

    /// The layer weights that head `k` has learned, one element for every learned pooling in this block.
    virtual std::vector<LayerWeights> layer_weights(std::int64_t /*k*/) const { return {}; }
};

/// A type of block: its name, the keys that its definition may have beside "type", and the function that
/// makes it.
struct BlockType {
    std::string name;
    std::vector<std::string> keys;
    std::unique_ptr<Block> (*make)(const Block::Context&);
};

/// All types of blocks.
const std::vector<BlockType>& block_types();

/// Makes the block that `context.definition` describes. Throws Error, which names its place, when it cannot
/// follow the block before it.
std::unique_ptr<Block> make_block(const Block::Context& context);

}  // namespace bv
