#include "adapter/state_batch.hpp"

#include <ATen/ATen.h>

#include "core/error.hpp"

namespace bv {

StateBatch StateBatch::with_states(std::int64_t first, std::int64_t count) const {
    StateBatch part = *this;
    if (states.defined()) part.states = states.narrow(0, first, count);
    return part;
}

at::Tensor head_loss(const std::string& task, const StateBatch& batch, const at::Tensor& logits) {
    BV_EXPECT(logits.dim() == 2 && logits.size(0) == batch.rows() && logits.size(1) == 2);
    if (task == "classification") {
        return at::cross_entropy_loss(logits, batch.no_answer, {}, at::Reduction::Sum);
    }
    std::vector<std::int64_t> lengths;
    for (std::size_t b = 0; b + 1 < batch.starts.size(); ++b) {
        lengths.push_back(batch.starts[b + 1] - batch.starts[b]);
    }
    std::vector<at::Tensor> log_probabilities;
    for (const at::Tensor& own : logits.split_with_sizes(lengths)) {
        log_probabilities.push_back(at::log_softmax(own, 0));
    }
    const at::Tensor labels = at::stack({batch.start_labels, batch.end_labels}, 1);
    return at::cat(log_probabilities).gather(0, labels).sum().neg();
}

}  // namespace bv
