#include "programs/train/optimizer_step.hpp"

#include <limits>
#include <string>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.hpp"
#include "tensor/to_host.hpp"

namespace bv {
namespace {

constexpr double kEpsilon = 1e-8;

Head moved(Head head, at::Device device) {
    head.to(device);
    return head;
}

/// A sequence of one row of zeros.
StateBatch empty_sequence(const Head& head, at::Device device) {
    const std::vector<std::int64_t> rows{1};
    return {std::make_shared<PackedSequences>(pack({0}, rows).to(device)),
            at::zeros({head.states(), 1, head.hidden_size()}, device)};
}

FlatParameters flatten(const Head& head) {
    std::vector<at::Tensor> tensors;
    for (const NamedTensor& parameter : head.parameters()) tensors.push_back(parameter.tensor);
    return {tensors, std::vector<bool>(tensors.size(), false), std::numeric_limits<std::int64_t>::max(),
            head.heads()};
}

}  // namespace

HeadTrainer::HeadTrainer(Head head, std::vector<double> learning_rates, at::Device device,
                         Collective& collective)
    : head_(moved(std::move(head), device)),
      learning_rates_(std::move(learning_rates)),
      collective_(collective),
      nothing_(empty_sequence(head_, device)),
      parameters_(flatten(head_)),
      optimizer_(parameters_, {AdamKind::adam, 0.9, 0.999, kEpsilon, EpsilonKind::keras, 0.0}),
      losses_(at::zeros({head_.heads()}, at::device(device).dtype(at::kDouble))) {}

void HeadTrainer::step(const StateBatch& share, std::int64_t global_batch) {
    // A rank without a sequence must take part in the sums over ranks inside the heads, so it computes
    // `nothing_`.
    const bool counts = share.sequences() > 0;
    const StateBatch& batch = counts ? share : nothing_;
    const Share part{[this](const at::Tensor& x) { collective_.all_reduce(x.data_ptr<float>(), x.numel()); },
                     counts};
    const at::Tensor losses = head_loss(head_.definition().task, batch, head_.forward(batch, steps(), part));
    if (counts) losses_ += losses.detach();
    // The heads share no parameter, so the gradient of the sum gives each head its own gradient.
    const at::Tensor sum = losses.sum() * (counts ? 1.0 / static_cast<double>(global_batch) : 0.0);
    // Not sum.backward(): it would add the gradients to zeros, and warn because they are rows of a buffer.
    const std::vector<at::Tensor>& parameters = parameters_.parameters();
    const auto found = torch::autograd::grad({sum}, parameters);
    for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].grad().copy_(found[i]);
    const at::Tensor& gradients = parameters_.gradients();
    collective_.all_reduce(gradients.data_ptr<float>(), gradients.numel());
    optimizer_.step(learning_rates_);
}

std::vector<double> HeadTrainer::losses() const {
    const at::Tensor values = to_host(losses_);
    return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

void HeadTrainer::set_loss(std::int64_t k, double loss) {
    losses_[k].fill_(loss);
}

std::vector<bool> HeadTrainer::finite() const {
    const at::Tensor heads = to_host(at::isfinite(parameters_.values().view({head_.heads(), -1})).all(1));
    const bool* first = heads.const_data_ptr<bool>();
    return std::vector<bool>(first, first + heads.numel());
}

ResumeState HeadTrainer::state(std::int64_t k) const {
    const auto row = [&](const at::Tensor& buffer) {
        return copy_to_host(buffer.view({head_.heads(), -1})[k]);
    };
    std::vector<at::Tensor> buffers;
    for (const NamedTensor& buffer : head_.buffers()) buffers.push_back(buffer.tensor[k].flatten());
    return {optimizer_.steps(),
            "{}",
            row(parameters_.values()),
            row(optimizer_.first_moments()),
            row(optimizer_.second_moments()),
            buffers.empty() ? at::Tensor() : copy_to_host(at::cat(buffers))};
}

void HeadTrainer::restore(std::int64_t k, const ResumeState& state) {
    const c10::NoGradGuard no_graph;
    BV_EXPECT(state.values.numel() == parameters_.elements());
    parameters_.values().view({head_.heads(), -1})[k].copy_(state.values);
    optimizer_.restore(k, state.first_moments, state.second_moments);
    optimizer_.set_steps(state.step);
    std::int64_t offset = 0;
    for (const NamedTensor& buffer : head_.buffers()) {
        const at::Tensor own = buffer.tensor[k];
        own.copy_(state.buffers.narrow(0, offset, own.numel()).view(own.sizes()));
        offset += own.numel();
    }
}

void HeadTrainer::share_state(const Communicator& ranks) {
    optimizer_.set_steps(ranks.sum(ranks.is_root() ? optimizer_.steps() : std::int64_t{0}));
    std::vector<at::Tensor> tensors{parameters_.values(), optimizer_.first_moments(),
                                    optimizer_.second_moments()};
    for (const NamedTensor& buffer : head_.buffers()) tensors.push_back(buffer.tensor);
    for (const at::Tensor& tensor : tensors) {
        BV_EXPECT(tensor.is_contiguous());
        collective_.broadcast(tensor.data_ptr<float>(), tensor.numel(), 0);
    }
}

std::int64_t HeadTrainer::bytes() const {
    std::int64_t elements = 4 * parameters_.values().numel();
    for (const NamedTensor& buffer : head_.buffers()) elements += buffer.tensor.numel();
    return elements * static_cast<std::int64_t>(sizeof(float));
}

}  // namespace bv
