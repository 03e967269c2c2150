#include "stages/task_states.hpp"

#include <ATen/ATen.h>

namespace bv {

std::vector<at::Tensor> task_states(const Model& model, const Batch& batch) {
    std::vector<at::Tensor> states = model.states(batch);
    if (model.task() == Task::classification) {
        const at::Tensor pooled = model.pooled(batch, states.back());
        for (at::Tensor& state : states) state = state.index_select(0, batch.first_tokens);
        states.insert(states.begin(), pooled);
    }
    return states;
}

}  // namespace bv
