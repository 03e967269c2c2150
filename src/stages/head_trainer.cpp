#include "stages/head_trainer.hpp"

#include <ATen/ATen.h>

#include "core/error.hpp"

namespace bv {
namespace {

constexpr double kEpsilon = 1e-8;

Head moved(Head head, at::Device device) {
    head.to(device);
    return head;
}

/// A sequence of one row of zeros.
StateBatch empty_sequence(const Head& head, at::Device device) {
    const at::Tensor label = at::zeros({1}, at::device(device).dtype(at::kLong));
    return {{0}, {0, 1}, at::zeros({head.states(), 1, head.hidden_size()}, device), label, label, label};
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
      nothing_(empty_sequence(head_, device)),
      parameters_(flatten(head_)),
      optimizer_(parameters_, {AdamKind::adam, 0.9, 0.999, kEpsilon, EpsilonKind::keras, 0.0}),
      loss_(at::zeros({}, at::device(device).dtype(at::kDouble))) {}

void HeadTrainer::step_together(const std::vector<HeadTrainer*>& alike, const StateBatch& share,
                                std::int64_t global_batch) {
    HeadTrainer& first = *alike.front();
    Collective& collective = first.collective_;
    std::vector<const Head*> heads;
    for (HeadTrainer* trainer : alike) {
        BV_EXPECT(trainer->steps() == first.steps());
        trainer->parameters_.zero_gradients();
        heads.push_back(&trainer->head_);
    }
    // A rank without a sequence takes part in the sums over ranks inside the heads.
    const bool counts = share.sequences() > 0;
    const StateBatch& batch = counts ? share : first.nothing_;
    const Share part{
        [&collective](const at::Tensor& x) { collective.all_reduce(x.data_ptr<float>(), x.numel()); },
        counts};
    const std::vector<at::Tensor> logits = Head::forward_alike(heads, batch, first.steps(), part);
    at::Tensor sum;  // of losses that share no parameter, so that its gradients are each one's own
    for (std::size_t k = 0; k < alike.size(); ++k) {
        const at::Tensor loss = head_loss(first.head_.definition().task, batch, logits[k]);
        if (counts) alike[k]->loss_ += loss.detach();
        sum = sum.defined() ? sum + loss : loss;
    }
    (sum * (counts ? 1.0 / static_cast<double>(global_batch) : 0.0)).backward();
    for (HeadTrainer* trainer : alike) {
        FlatParameters& parameters = trainer->parameters_;
        collective.start_all_reduce(parameters.gradients().data_ptr<float>(), parameters.elements());
    }
    collective.wait();
    for (HeadTrainer* trainer : alike) trainer->optimizer_.step(trainer->learning_rate_);
}

double HeadTrainer::loss() const {
    return loss_.item<double>();
}

void HeadTrainer::set_loss(double loss) {
    loss_.fill_(loss);
}

ResumeState HeadTrainer::state() const {
    const auto copy = [](const at::Tensor& x) { return x.detach().to(at::kCPU, false, /*copy=*/true); };
    std::vector<at::Tensor> buffers;
    for (const NamedTensor& buffer : head_.buffers()) buffers.push_back(buffer.tensor.reshape({-1}));
    return {optimizer_.steps(),
            "{}",
            copy(parameters_.values()),
            copy(optimizer_.first_moments()),
            copy(optimizer_.second_moments()),
            buffers.empty() ? at::Tensor() : copy(at::cat(buffers))};
}

void HeadTrainer::restore(const ResumeState& state) {
    const at::NoGradGuard no_graph;
    BV_EXPECT(state.values.numel() == parameters_.elements());
    parameters_.values().copy_(state.values);
    optimizer_.restore(state.step, state.first_moments, state.second_moments);
    std::int64_t offset = 0;
    for (const NamedTensor& buffer : head_.buffers()) {
        const std::int64_t count = buffer.tensor.numel();
        buffer.tensor.copy_(state.buffers.narrow(0, offset, count).view(buffer.tensor.sizes()));
        offset += count;
    }
}

std::int64_t HeadTrainer::bytes() const {
    std::int64_t elements = 4 * parameters_.elements();
    for (const NamedTensor& buffer : head_.buffers()) elements += buffer.tensor.numel();
    return elements * static_cast<std::int64_t>(sizeof(float));
}

}  // namespace bv
