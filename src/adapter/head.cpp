#include "adapter/head.hpp"

#include <ATen/ATen.h>

#include "adapter/initializers.hpp"
#include "core/error.hpp"

namespace bv {

Head::Head(HeadDefinition definition, std::int64_t states, std::int64_t hidden_size, std::uint64_t seed)
    : definition_(std::move(definition)), states_(states), hidden_size_(hidden_size) {
    at::Generator generator = make_generator(seed);
    BlockShape shape{states, hidden_size};
    for (const BlockDefinition& block : definition_.blocks) {
        blocks_.push_back(make_block({block, shape, hidden_size, generator}));
        shape = blocks_.back()->output();
        const std::string place = std::to_string(blocks_.size() - 1) + "." + block.type + ".";
        for (const NamedTensor& parameter : blocks_.back()->parameters()) {
            parameters_.push_back({place + parameter.name, parameter.tensor});
        }
    }
    const BlockDefinition& last = definition_.blocks.back();
    if (shape.layers != 0 || shape.width != 2) {
        fail(
            "{}: a head must end in two values a row, as after {{ type = \"linear\", width = 2 }}; this "
            "block gives {}{}",
            last.place, shape.layers > 0 ? fmt::format("{} layers of ", shape.layers) : "", shape.width);
    }
    if (parameters_.empty()) fail("{}: a head needs a block that can be trained", last.place);
}

at::Tensor Head::forward(const StateBatch& batch) const {
    BV_EXPECT(batch.states.dim() == 3 && batch.states.size(0) == states_ &&
              batch.states.size(2) == hidden_size_);
    BV_EXPECT(batch.states.size(1) == batch.rows());
    at::Tensor x = batch.states;
    for (const auto& block : blocks_) x = block->forward(x, batch);
    return x;
}

std::int64_t Head::parameter_count() const {
    std::int64_t count = 0;
    for (const NamedTensor& parameter : parameters_) count += parameter.tensor.numel();
    return count;
}

std::vector<LayerWeights> Head::layer_weights() const {
    std::vector<LayerWeights> all;
    for (const auto& block : blocks_) {
        if (auto weights = block->layer_weights()) all.push_back(std::move(*weights));
    }
    return all;
}

void Head::to(at::Device device) {
    for (NamedTensor& parameter : parameters_) parameter.tensor.set_data(parameter.tensor.to(device));
}

}  // namespace bv
