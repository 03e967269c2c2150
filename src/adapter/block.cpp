#include "adapter/block.hpp"

#include <algorithm>

#include "adapter/blocks.hpp"
#include "core/error.hpp"

namespace bv {
namespace {

template <class T>
std::unique_ptr<Block> make(const Block::Context& context) {
    return std::make_unique<T>(context);
}

}  // namespace

const std::vector<BlockType>& block_types() {
    static const std::vector<BlockType> types{
        {"learned_pooling", {}, make<LearnedPooling>},
        {"average_pooling", {}, make<AveragePooling>},
        {"adapter", {"width", "shared"}, make<Adapter>},
        {"flatten", {}, make<Flatten>},
        {"skip", {}, make<Skip>},
        {"linear", {"width"}, make<Linear>},
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
