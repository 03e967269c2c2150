#include "states/task_states.hpp"

#include <algorithm>

#include <ATen/ATen.h>

#include "core/error.hpp"
#include "tensor/tensor_files.hpp"
#include "tensor/to_host.hpp"

namespace bv {

std::vector<std::int64_t> state_rows(const Features& features, Task task) {
    if (task == Task::span) return features.token_counts();
    return std::vector<std::int64_t>(static_cast<std::size_t>(features.count()), 1);
}

StoreLayout lay_out_states(const StoreInfo& info, std::int64_t model_states, const Features& features,
                           std::int64_t block_bytes) {
    const std::vector<std::int64_t> rows = state_rows(features, info.task);
    StoreInfo counted = info;
    if (block_bytes == 0) counted.layers.resize(static_cast<std::size_t>(model_states));
    return lay_out(rows, features_per_block(counted, rows, block_bytes));
}

std::vector<at::Tensor> task_states(const Model& model, const Batch& batch) {
    std::vector<at::Tensor> states = model.states(batch);
    if (model.task() == Task::classification) {
        const at::Tensor pooled = model.pooled(batch, states.back());
        for (at::Tensor& state : states) state = state.index_select(0, batch.packed->first_rows());
        states.insert(states.begin(), pooled);
    }
    return states;
}

std::optional<std::string> question_not_finite(const at::Tensor& state, const Batch& batch,
                                               const Features& features) {
    const bool finite = state.is_cpu() && state.is_contiguous()
                            ? all_finite(dtype_of(state.scalar_type()), state.const_data_ptr(), state.numel())
                            : value_of(at::isfinite(state).all()) != 0;
    if (finite) return std::nullopt;
    const at::Tensor rows = to_host(at::isfinite(state).all(1));
    const std::int64_t row =
        std::find(rows.const_data_ptr<bool>(), rows.const_data_ptr<bool>() + rows.numel(), false) -
        rows.const_data_ptr<bool>();
    // A row belongs to a token, or to a whole sequence.
    std::size_t b = static_cast<std::size_t>(row);
    if (state.size(0) != batch.sequences()) {
        const std::vector<std::int64_t>& starts = batch.packed->starts;
        b = static_cast<std::size_t>(std::ranges::upper_bound(starts, row) - starts.begin() - 1);
    }
    return features
        .questions[static_cast<std::size_t>(
            features.question_of[static_cast<std::size_t>(batch.packed->examples[b])])]
        .id;
}

void require_finite(const std::vector<at::Tensor>& states, const Batch& batch, const Features& features) {
    // If a value in one layer is not finite, the layers after it are not finite either. The pooled output
    // is the first element here.
    for (const at::Tensor* state : {&states.front(), &states.back()}) {
        if (const auto question = question_not_finite(*state, batch, features)) {
            fail(
                "question {}: the model's hidden states are NaN or infinite in float32: the model's "
                "weights are too large, perhaps because its training diverged; give another checkpoint",
                *question);
        }
    }
}

}  // namespace bv
