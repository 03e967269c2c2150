#include "states/state_source.hpp"

#include <algorithm>
#include <memory>

#include <fmt/ranges.h>

#include "bert/batch.hpp"
#include "core/error.hpp"
#include "states/task_states.hpp"

namespace bv {

std::vector<std::int64_t> StateSource::rows_of_features() const {
    return state_rows(features(), info().task);
}

StateBatch StateSource::describe(const Features& features, const std::vector<std::int64_t>& which,
                                 bool row_is_token) {
    const PackedSequences tokens = pack_features(features, which);
    StateBatch batch;
    batch.packed = std::make_shared<PackedSequences>(row_is_token ? tokens : tokens.one_row_each());
    return batch;
}

std::vector<std::int64_t> StateSource::pick(const Layers& layers, StoreInfo& info, const std::string& name) {
    const std::vector<std::int64_t> all = info.layers;
    const std::int64_t before = info.states_before_layers();
    std::vector<std::int64_t> picked;
    for (std::int64_t s = 0; s < before; ++s) picked.push_back(s);
    for (const std::int64_t layer : layers.value_or(all)) {
        const auto found = std::find(all.begin(), all.end(), layer);
        if (found == all.end())
            fail("{} holds no states of layer {}; it has {}", name, layer, fmt::join(all, ", "));
        picked.push_back(before + (found - all.begin()));
    }
    if (layers) info.layers = *layers;
    return picked;
}

}  // namespace bv
