#include "states/state_source.hpp"

#include <algorithm>

#include <ATen/ATen.h>

#include "core/error.hpp"
#include "states/task_states.hpp"

namespace bv {

std::vector<std::int64_t> StateSource::rows_of_features() const {
    return state_rows(features(), info().task);
}

StateBatch StateSource::describe(const Features& features, const std::vector<std::int64_t>& which,
                                 bool row_is_token) {
    StateBatch batch;
    batch.examples.assign(which.begin(), which.end());
    batch.starts.push_back(0);
    std::vector<std::int64_t> start, end, no_answer;
    for (const std::int64_t f : which) {
        const auto i = static_cast<std::size_t>(f);
        start.push_back(batch.starts.back() + features.start_label[i]);
        end.push_back(batch.starts.back() + features.end_label[i]);
        batch.starts.push_back(batch.starts.back() + (row_is_token ? features.tokens_of(f) : 1));
        no_answer.push_back(features.no_answer(f) ? 1 : 0);
    }
    batch.start_labels = at::tensor(start, at::kLong);
    batch.end_labels = at::tensor(end, at::kLong);
    batch.no_answer = at::tensor(no_answer, at::kLong);
    return batch;
}

std::vector<std::int64_t> StateSource::pick(const Layers& layers, StoreInfo& info, const std::string& name) {
    const std::vector<std::int64_t> all = info.layers;
    const std::int64_t before = info.states() - static_cast<std::int64_t>(all.size());
    std::vector<std::int64_t> picked;
    for (std::int64_t s = 0; s < before; ++s) picked.push_back(s);
    for (const std::int64_t layer : layers.value_or(all)) {
        const auto found = std::find(all.begin(), all.end(), layer);
        if (found == all.end())
            fail("{} holds no states of layer {}; it has {}", name, layer, list_text(all));
        picked.push_back(before + (found - all.begin()));
    }
    if (layers) info.layers = *layers;
    return picked;
}

}  // namespace bv
