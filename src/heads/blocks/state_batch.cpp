#include "heads/blocks/state_batch.hpp"

#include <ATen/ATen.h>

#include "core/error.hpp"

namespace bv {

StateBatch StateBatch::with_states(std::int64_t first, std::int64_t count) const {
    StateBatch part = *this;
    if (states.defined()) part.states = states.narrow(0, first, count);
    return part;
}

at::Tensor head_loss(Task task, const StateBatch& batch, const at::Tensor& logits) {
    BV_EXPECT(logits.dim() == 3 && logits.size(1) == batch.rows() && logits.size(2) == 2);
    const PackedSequences& packed = *batch.packed;
    if (task == Task::classification) {
        const at::Tensor labels = packed.no_answer.view({1, -1, 1}).expand({logits.size(0), -1, 1});
        return at::log_softmax(logits, 2).gather(2, labels).sum({1, 2}).neg();
    }
    // Softmax is much faster where the values that it takes together are neighbours in memory.
    std::vector<at::Tensor> log_probabilities;
    for (const at::Tensor& own : logits.transpose(1, 2).contiguous().split_with_sizes(packed.lengths(), 2)) {
        log_probabilities.push_back(at::log_softmax(own, 2));
    }
    const at::Tensor rows = at::stack({packed.start_labels, packed.end_labels}) + packed.first_rows();
    const at::Tensor labels = rows.unsqueeze(0).expand({logits.size(0), -1, -1});
    return at::cat(log_probabilities, 2).gather(2, labels).sum({1, 2}).neg();
}

}  // namespace bv
