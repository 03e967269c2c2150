#include "heads/blocks/composites.hpp"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>

#include "core/error.hpp"
#include "heads/blocks/stacked.hpp"

namespace bv {
namespace {

BlockChain chain_of(const Block::Context& context, const BlockDefinition::Chain& definitions,
                    BlockShape input) {
    return {definitions, input, context.hidden_size, context.generators};
}

/// Makes the chain of `key`; an empty chain if the key is missing.
BlockChain optional_chain(const Block::Context& context, const std::string& key) {
    return chain_of(context,
                    context.definition.has(key) ? context.definition.blocks(key) : BlockDefinition::Chain(),
                    context.input);
}

void append(std::vector<NamedTensor>& all, const std::string& name, const BlockChain& chain) {
    for (NamedTensor& own : chain.tensors()) {
        all.push_back({name + "." + own.name, std::move(own.tensor), own.trained});
    }
}

void append(std::vector<LayerWeights>& all, const BlockChain& chain, std::int64_t k) {
    for (LayerWeights& own : chain.layer_weights(k)) all.push_back(std::move(own));
}

}  // namespace

Repeat::Repeat(const Context& context) {
    BlockShape shape = context.input;
    const std::int64_t times = context.definition.positive_up_to(1000, "times");
    for (std::int64_t turn = 0; turn < times; ++turn) {
        turns_.push_back(chain_of(context, context.definition.blocks("blocks"), shape));
        shape = turns_.back().output();
    }
}

at::Tensor Repeat::forward(const at::Tensor& x, const Pass& pass) const {
    at::Tensor y = x;
    for (const BlockChain& turn : turns_) y = turn.forward(std::move(y), pass);
    return y;
}

std::vector<NamedTensor> Repeat::tensors() const {
    std::vector<NamedTensor> all;
    for (std::size_t turn = 0; turn < turns_.size(); ++turn) append(all, std::to_string(turn), turns_[turn]);
    return all;
}

std::vector<LayerWeights> Repeat::layer_weights(std::int64_t k) const {
    std::vector<LayerWeights> all;
    for (const BlockChain& turn : turns_) append(all, turn, k);
    return all;
}

Residual::Residual(const Context& context)
    : blocks_(chain_of(context, context.definition.blocks("blocks"), context.input)),
      shortcut_(optional_chain(context, "shortcut")) {
    if (!(blocks_.output() == shortcut_.output())) {
        fail(
            "{}: the two parts of a residual must have the same shape, but its blocks give {} and its "
            "shortcut gives {}",
            context.definition.place, to_string(blocks_.output()), to_string(shortcut_.output()));
    }
}

at::Tensor Residual::forward(const at::Tensor& x, const Pass& pass) const {
    return blocks_.forward(x, pass) + shortcut_.forward(x, pass);
}

std::vector<NamedTensor> Residual::tensors() const {
    std::vector<NamedTensor> all;
    append(all, "blocks", blocks_);
    append(all, "shortcut", shortcut_);
    return all;
}

std::vector<LayerWeights> Residual::layer_weights(std::int64_t k) const {
    std::vector<LayerWeights> all;
    append(all, blocks_, k);
    append(all, shortcut_, k);
    return all;
}

Branches::Branches(const Context& context) {
    for (const BlockDefinition::Chain& branch : context.definition.branches("of")) {
        branches_.push_back(chain_of(context, branch, context.input));
        const BlockShape shape = branches_.back().output();
        if (branches_.size() == 1) {
            output_ = shape;
            continue;
        }
        const bool vectors = output_.channels == 0 && shape.channels == 0;
        const bool images = output_.channels > 0 && shape.channels > 0 && output_.width == shape.width;
        if (!vectors && !images) {
            fail(
                "{}: all branches must give channels of one width, or all must give vectors, but they give "
                "{} and {}",
                branch.back().place, to_string(branches_.front().output()), to_string(shape));
        }
        (vectors ? output_.width : output_.channels) += vectors ? shape.width : shape.channels;
    }
}

at::Tensor Branches::forward(const at::Tensor& x, const Pass& pass) const {
    std::vector<at::Tensor> outputs;
    std::int64_t heads = 1;
    for (const BlockChain& branch : branches_) {
        outputs.push_back(branch.forward(x, pass));
        heads = std::max(heads, outputs.back().size(0));
    }
    for (at::Tensor& output : outputs) {
        output = for_each_head(output, heads);
        // Laid out in memory as convolutions lay out images: the values of a pixel are neighbours.
        if (output_.channels > 0) output = output.permute({0, 2, 3, 1});
    }
    const at::Tensor joined = at::cat(outputs, -1);
    return output_.channels > 0 ? joined.permute({0, 3, 1, 2}) : joined;
}

std::vector<NamedTensor> Branches::tensors() const {
    std::vector<NamedTensor> all;
    for (std::size_t b = 0; b < branches_.size(); ++b) append(all, std::to_string(b), branches_[b]);
    return all;
}

std::vector<LayerWeights> Branches::layer_weights(std::int64_t k) const {
    std::vector<LayerWeights> all;
    for (const BlockChain& branch : branches_) append(all, branch, k);
    return all;
}

}  // namespace bv
