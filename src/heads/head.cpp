#include "heads/head.hpp"

#include <ATen/ATen.h>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "heads/blocks/initializers.hpp"

namespace bv {
namespace {

BlockChain make_blocks(const HeadDefinition& definition, BlockShape input,
                       const std::vector<std::uint64_t>& seeds) {
    std::vector<at::Generator> generators;
    for (const std::uint64_t seed : seeds) generators.push_back(make_generator(seed));
    return {definition.blocks, input, input.width, generators};
}

}  // namespace

Head::Head(HeadDefinition definition, std::int64_t states, std::int64_t hidden_size,
           const std::vector<std::uint64_t>& seeds)
    : definition_(std::move(definition)),
      states_(states),
      hidden_size_(hidden_size),
      heads_(static_cast<std::int64_t>(seeds.size())),
      blocks_(make_blocks(definition_, {states, hidden_size}, seeds)) {
    for (NamedTensor& own : blocks_.tensors()) {
        (own.trained ? parameters_ : buffers_).push_back(std::move(own));
    }
    const BlockDefinition& last = definition_.blocks.back();
    if (blocks_.output() != BlockShape{0, 2}) {
        fail(
            "{}: a head must end in two values a row, for example by {{ type = \"linear\", width = 2 }}; "
            "this block gives {}",
            last.place, to_string(blocks_.output()));
    }
    if (parameters_.empty()) fail("{}: a head needs at least one block that can be trained", last.place);
}

at::Tensor Head::forward(const StateBatch& batch, std::optional<std::int64_t> step,
                         const Share& share) const {
    require_states(batch);
    return blocks_.forward(batch.states.unsqueeze(0), {batch, step, share});
}

at::Tensor Head::before_last_block(const StateBatch& batch) const {
    require_states(batch);
    return blocks_.forward_before_last(batch.states.unsqueeze(0), {batch, std::nullopt});
}

std::vector<std::int64_t> Head::shape_before_last_block() const {
    const BlockShape shape = blocks_.output_before_last();
    if (shape.channels == 0) return {shape.width};
    return {shape.channels, shape.width};
}

void Head::require_states(const StateBatch& batch) const {
    const bool bytes = batch.states.scalar_type() == at::kByte;  // float8
    BV_EXPECT(batch.states.dim() == 3 && batch.states.size(0) == states_ &&
              batch.states.size(2) == hidden_size_ + (bytes ? kFloat8ScaleBytes : 0));
    BV_EXPECT(batch.states.size(1) == batch.rows());
    BV_EXPECT(reads_any_type() || !(bytes || at::isReducedFloatingType(batch.states.scalar_type())));
}

std::int64_t Head::parameter_count() const {
    std::int64_t count = 0;
    for (const NamedTensor& parameter : parameters_) count += parameter.tensor.numel();
    return count / heads_;
}

void Head::to(at::Device device) {
    for (const auto* tensors : {&parameters_, &buffers_}) {
        for (const NamedTensor& own : *tensors) own.tensor.set_data(own.tensor.to(device));
    }
}

}  // namespace bv
