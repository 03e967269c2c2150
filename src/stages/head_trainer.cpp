#include "stages/head_trainer.hpp"

#include <ATen/ATen.h>

namespace bv {
namespace {

constexpr double kEpsilon = 1e-8;

Head moved(Head head, at::Device device) {
    head.to(device);
    return head;
}

FlatParameters flatten(const Head& head) {
    std::vector<at::Tensor> tensors;
    for (const NamedTensor& parameter : head.parameters()) tensors.push_back(parameter.tensor);
    return {tensors, std::vector<bool>(tensors.size(), false)};
}

}  // namespace

HeadTrainer::HeadTrainer(Head head, double learning_rate, at::Device device, Collective& collective)
    : head_(moved(std::move(head), device)),
      learning_rate_(learning_rate),
      collective_(collective),
      parameters_(flatten(head_)),
      optimizer_(parameters_, {AdamKind::adam, 0.9, 0.999, kEpsilon, EpsilonKind::keras, 0.0}),
      loss_(at::zeros({}, at::device(device).dtype(at::kDouble))) {}

void HeadTrainer::step(const StateBatch& share, std::int64_t global_batch) {
    parameters_.zero_gradients();
    if (share.sequences() > 0) {
        const at::Tensor loss = head_loss(head_.definition().task, share, head_.forward(share));
        (loss / static_cast<double>(global_batch)).backward();
        loss_ += loss.detach();
    }
    collective_.all_reduce(parameters_.gradients().data_ptr<float>(), parameters_.elements());
    optimizer_.step(learning_rate_);
}

double HeadTrainer::take_loss() {
    const double loss = loss_.item<double>();
    loss_.zero_();
    return loss;
}

}  // namespace bv
