#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "adapter/block.hpp"
#include "adapter/head_definition.hpp"
#include "adapter/initializers.hpp"
#include "random_states.hpp"

namespace bv {

/// A block from its TOML, with its tensors by name.
class OneBlock {
  public:
    OneBlock(const std::string& toml, BlockShape input, std::uint64_t seed = 1)
        : definition_(parse_head("mine", "task = \"span\"\nblocks = [" + toml + "]", "mine.toml")) {
        at::Generator generator = make_generator(seed);
        block_ = make_block({definition_.blocks.front(), input, 4, generator});
    }

    const Block& operator*() const { return *block_; }
    const Block* operator->() const { return block_.get(); }

    at::Tensor operator[](const std::string& name) const {
        for (const NamedTensor& own : block_->tensors()) {
            if (own.name == name) return own.tensor;
        }
        return {};
    }

  private:
    HeadDefinition definition_;
    std::unique_ptr<Block> block_;
};

}  // namespace bv
