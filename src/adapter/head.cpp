#include "adapter/head.hpp"

#include <ATen/ATen.h>

#include "adapter/initializers.hpp"
#include "core/error.hpp"

namespace bv {
namespace {

BlockChain make_blocks(const HeadDefinition& definition, BlockShape input, std::uint64_t seed) {
    at::Generator generator = make_generator(seed);
    return {definition.blocks, input, input.width, generator};
}

}  // namespace

Head::Head(HeadDefinition definition, std::int64_t states, std::int64_t hidden_size, std::uint64_t seed)
    : definition_(std::move(definition)),
      states_(states),
      hidden_size_(hidden_size),
      blocks_(make_blocks(definition_, {states, hidden_size}, seed)) {
    for (NamedTensor& own : blocks_.tensors()) {
        (own.trained ? parameters_ : buffers_).push_back(std::move(own));
    }
    const BlockDefinition& last = definition_.blocks.back();
    if (blocks_.output() != BlockShape{0, 2}) {
        fail(
            "{}: a head must end in two values a row, as after {{ type = \"linear\", width = 2 }}; this "
            "block gives {}",
            last.place, to_string(blocks_.output()));
    }
    if (parameters_.empty()) fail("{}: a head needs a block that can be trained", last.place);
}

void Head::require_fit(const StateBatch& batch) const {
    BV_EXPECT(batch.states.dim() == 3 && batch.states.size(0) == states_ &&
              batch.states.size(2) == hidden_size_);
    BV_EXPECT(batch.states.size(1) == batch.rows());
    BV_EXPECT(reads_any_type() || !at::isReducedFloatingType(batch.states.scalar_type()));
}

at::Tensor Head::forward(const StateBatch& batch, std::optional<std::int64_t> step,
                         const Share& share) const {
    require_fit(batch);
    return blocks_.forward(batch.states, {batch, step, share});
}

std::vector<at::Tensor> Head::forward_alike(const std::vector<const Head*>& alike, const StateBatch& batch,
                                            std::optional<std::int64_t> step, const Share& share) {
    const Head& first = *alike.front();
    first.require_fit(batch);
    // Alone, a head gets the same bits in whatever company it is trained.
    if (alike.size() == 1) return {first.forward(batch, step, share)};
    std::vector<const BlockChain*> chains;
    for (const Head* head : alike) {
        BV_EXPECT(head->definition().text == first.definition().text);
        chains.push_back(&head->blocks_);
    }
    return BlockChain::forward_alike(chains, batch.states, {batch, step, share});
}

std::int64_t Head::parameter_count() const {
    std::int64_t count = 0;
    for (const NamedTensor& parameter : parameters_) count += parameter.tensor.numel();
    return count;
}

void Head::to(at::Device device) {
    for (const auto* tensors : {&parameters_, &buffers_}) {
        for (const NamedTensor& own : *tensors) own.tensor.set_data(own.tensor.to(device));
    }
}

}  // namespace bv
