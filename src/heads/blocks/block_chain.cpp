#include "heads/blocks/block_chain.hpp"

#include <utility>

namespace bv {

BlockChain::BlockChain(const BlockDefinition::Chain& definitions, BlockShape input, std::int64_t hidden_size,
                       std::vector<at::Generator>& generators)
    : before_last_(input), output_(input) {
    for (const BlockDefinition& definition : definitions) {
        links_.push_back({std::to_string(links_.size()) + "." + definition.type,
                          make_block({definition, output_, hidden_size, generators})});
        before_last_ = std::exchange(output_, links_.back().block->output());
    }
}

at::Tensor BlockChain::forward(at::Tensor x, const Pass& pass) const {
    return through_first(links_.size(), std::move(x), pass);
}

at::Tensor BlockChain::forward_before_last(at::Tensor x, const Pass& pass) const {
    return through_first(links_.empty() ? 0 : links_.size() - 1, std::move(x), pass);
}

at::Tensor BlockChain::through_first(std::size_t count, at::Tensor x, const Pass& pass) const {
    for (std::size_t i = 0; i < count; ++i) {
        const Block& block = *links_[i].block;
        at::Tensor both;
        if (i + 1 < count) both = block.forward_through(*links_[i + 1].block, x);
        if (both.defined()) ++i;
        x = both.defined() ? both : block.forward(x, pass);
    }
    return x;
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

std::vector<LayerWeights> BlockChain::layer_weights(std::int64_t k) const {
    std::vector<LayerWeights> all;
    for (const Link& link : links_) {
        for (LayerWeights& own : link.block->layer_weights(k)) all.push_back(std::move(own));
    }
    return all;
}

}  // namespace bv
