#include "adapter/block_chain.hpp"

#include <algorithm>

#include <ATen/ATen.h>

namespace bv {

BlockChain::BlockChain(const BlockDefinition::Chain& definitions, BlockShape input, std::int64_t hidden_size,
                       at::Generator& generator)
    : output_(input) {
    for (const BlockDefinition& definition : definitions) {
        links_.push_back({std::to_string(links_.size()) + "." + definition.type,
                          make_block({definition, output_, hidden_size, generator})});
        output_ = links_.back().block->output();
    }
}

at::Tensor BlockChain::forward(at::Tensor x, const Pass& pass) const {
    for (const Link& link : links_) x = link.block->forward(x, pass);
    return x;
}

std::vector<at::Tensor> BlockChain::forward_alike(const std::vector<const BlockChain*>& alike,
                                                  const at::Tensor& x, const Pass& pass) {
    std::vector<at::Tensor> values(alike.size(), x);
    const auto is_common = [&](const at::Tensor& value) { return value.is_same(values.front()); };
    for (std::size_t i = 0; i < alike.front()->links_.size(); ++i) {
        std::vector<const Block*> blocks;
        for (const BlockChain* chain : alike) blocks.push_back(chain->links_[i].block.get());
        if (std::all_of(values.begin(), values.end(), is_common)) {
            values = blocks.front()->forward_alike(blocks, values.front(), pass);
        } else {
            for (std::size_t k = 0; k < alike.size(); ++k) values[k] = blocks[k]->forward(values[k], pass);
        }
    }
    return values;
}

std::vector<NamedTensor> BlockChain::tensors() const {
    std::vector<NamedTensor> all;
    for (const Link& link : links_) {
        for (NamedTensor& own : link.block->tensors()) {
            all.push_back({link.name + "." + own.name, std::move(own.tensor), own.trained});
        }
    }
    return all;
}

std::vector<LayerWeights> BlockChain::layer_weights() const {
    std::vector<LayerWeights> all;
    for (const Link& link : links_) {
        for (LayerWeights& own : link.block->layer_weights()) all.push_back(std::move(own));
    }
    return all;
}

}  // namespace bv
