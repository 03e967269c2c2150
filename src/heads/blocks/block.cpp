#include "heads/blocks/block.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "heads/blocks/batch_norm.hpp"
#include "heads/blocks/composites.hpp"
#include "heads/blocks/convolutions.hpp"
#include "heads/blocks/dropout.hpp"
#include "heads/blocks/pools.hpp"
#include "heads/blocks/simple_blocks.hpp"

namespace bv {
namespace {

template <class T>
std::unique_ptr<Block> make(const Block::Context& context) {
    return std::make_unique<T>(context);
}

}  // namespace

std::string to_string(const BlockShape& shape) {
    if (shape.channels == 0) return fmt::format("width {}", shape.width);
    return fmt::format("{} channels of width {}", shape.channels, shape.width);
}

void Block::Context::require_channels() const {
    if (input.channels == 0) {
        fail(
            "{}: block '{}' works on channels (at first these are the layers), but a block before it has "
            "already pooled or flattened them; put 'unflatten' before it, which makes channels from a vector",
            definition.place, definition.type);
    }
}

void Block::Context::require_vectors() const {
    if (input.channels > 0) {
        fail(
            "{}: block '{}' works on one vector a row, but its input has {}; put learned_pooling, "
            "average_pooling, flatten or global_average_pool before it",
            definition.place, definition.type, to_string(input));
    }
}

const std::vector<BlockType>& block_types() {
    static const std::vector<BlockType> types{
        {"learned_pooling", {}, make<LearnedPooling>},
        {"average_pooling", {}, make<AveragePooling>},
        {"adapter", {"width", "shared"}, make<Adapter>},
        {"flatten", {}, make<Flatten>},
        {"unflatten", {"channels"}, make<Unflatten>},
        {"skip", {}, make<Skip>},
        {"linear", {"width"}, make<Linear>},
        {"conv", {"filters", "kernel", "tokens", "stride", "dilation", "padding", "bias"}, make<Convolution>},
        {"separable_conv",
         {"filters", "kernel", "tokens", "stride", "dilation", "padding", "bias"},
         make<SeparableConvolution>},
        {"pool", {"of", "kernel", "stride", "padding"}, make<Pool>},
        {"global_average_pool", {}, make<GlobalAveragePool>},
        {"batch_norm", {}, make<BatchNorm>},
        {"relu", {}, make<Activation>},
        {"gelu", {}, make<Activation>},
        {"dropout", {"rate"}, make<Dropout>},
        {"repeat", {"times", "blocks"}, make<Repeat>},
        {"residual", {"blocks", "shortcut"}, make<Residual>},
        {"branches", {"of"}, make<Branches>},
    };
    return types;
}

std::unique_ptr<Block> make_block(const Block::Context& context) {
    const auto found = std::find_if(block_types().begin(), block_types().end(), [&](const BlockType& type) {
        return type.name == context.definition.type;
    });
    BV_EXPECT(found != block_types().end());
    return found->make(context);
}

}  // namespace bv
