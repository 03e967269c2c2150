#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "heads/blocks/block.hpp"
#include "heads/blocks/initializers.hpp"
#include "heads/head_definition.hpp"
#include "helpers/random_states.hpp"

namespace bv {

/// A block from its TOML, of one head or of several drawn from as many seeds, with its tensors by name.
class OneBlock {
  public:
    OneBlock(const std::string& toml, BlockShape input, const std::vector<std::uint64_t>& seeds = {1},
             std::int64_t hidden_size = 4)
        : definition_(parse_head("mine", "task = \"span\"\nblocks = [" + toml + "]", "mine.toml")) {
        std::vector<at::Generator> generators;
        for (const std::uint64_t seed : seeds) generators.push_back(make_generator(seed));
        block_ = make_block({definition_.blocks.front(), input, hidden_size, generators});
    }

    const Block* operator->() const { return block_.get(); }

    /// What one head's block makes of its x.
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const {
        return block_->forward(x.unsqueeze(0), pass).squeeze(0);
    }

    /// (K, ...)
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
