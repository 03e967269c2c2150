// What GPUs compute of heads, against the CPU.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "heads/blocks/layer_mix.hpp"
#include "heads/head.hpp"
#include "helpers/on_gpu.hpp"
#include "helpers/random_states.hpp"
#include "tensor/float8.hpp"

namespace bv {
namespace {

using LayerMixOnGpu = OnGpu<testing::Test>;

// Several pieces of a layer, in 16 and in 8 bits: converted piece by piece.
TEST_F(LayerMixOnGpu, ReadsStatesWhereTheyLieAsOnTheCpu) {
    at::manual_seed(3);
    const at::Tensor floats = at::randn({1, 25, 900, 768});
    const at::Tensor mixes = at::randn({3, 25}) / 5;
    const at::Tensor gradient = at::randn({3, 900, 768});
    const auto run = [&](const at::Tensor& states, at::Device device) {
        const at::Tensor own = mixes.to(device, at::kFloat, false, /*copy=*/true).requires_grad_();
        const at::Tensor out = layer_mix(states.to(device), own);
        out.backward(gradient.to(device));
        return at::cat({out.detach().flatten(), own.grad().flatten()}).cpu();
    };
    for (const at::Tensor& states : {floats.to(at::kHalf), to_float8(floats)}) {
        const at::Tensor expected = run(states, at::kCPU);
        EXPECT_LT((at::norm(run(states, device_) - expected) / at::norm(expected)).item<double>(), 1e-5);
    }
}

TEST_F(LayerMixOnGpu, MakesAndReadsTheSameFloat8AsTheCpu) {
    at::manual_seed(4);
    const at::Tensor rows = at::randn({300, 384}) * (5 * at::randn({300, 1})).exp();
    const at::Tensor bytes = to_float8(rows);
    EXPECT_TRUE(to_float8(rows.to(device_)).cpu().equal(bytes));
    EXPECT_TRUE(decoded(bytes.to(device_)).cpu().equal(decoded(bytes)));
}

using HeadsOnGpu = OnGpu<testing::TestWithParam<const char*>>;

/// Losses, logits and gradients of one training step's forward and backward pass of two heads alike, one
/// after another. In
/// float64: forty batch normalisations amplify float32's rounding by a hundred thousand.
at::Tensor step_of(const char* name, at::Device device) {
    const HeadDefinition definition = find_head(name);
    const bool span = definition.task == Task::span;
    StateBatch batch = random_states(
        span ? 7 : 8, 96, span ? std::vector<std::int64_t>{9, 2, 17, 4} : std::vector<std::int64_t>(6, 1));
    batch.states = batch.states.to(device, at::kDouble);
    batch.packed = std::make_shared<PackedSequences>(batch.packed->to(device));
    Head head(definition, batch.states.size(0), 96, {3, 4});
    head.to(device);
    for (const NamedTensor& own : head.buffers()) own.tensor.set_data(own.tensor.to(at::kDouble));
    for (const NamedTensor& own : head.parameters()) {
        own.tensor.set_data(own.tensor.to(at::kDouble));
        own.tensor.set_requires_grad(true);
    }
    const at::Tensor logits = head.forward(batch, 0);
    const at::Tensor losses = head_loss(definition.task, batch, logits);
    losses.sum().backward();
    std::vector<at::Tensor> all{losses.detach(), logits.detach().flatten()};
    for (const NamedTensor& own : head.parameters()) all.push_back(own.tensor.grad().flatten());
    return at::cat(all).cpu();
}

TEST_P(HeadsOnGpu, StepAsOnTheCpu) {
    const at::Tensor expected = step_of(GetParam(), at::kCPU);
    const at::Tensor found = step_of(GetParam(), device_);
    EXPECT_LT((at::norm(found - expected) / at::norm(expected)).item<double>(), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Zoo, HeadsOnGpu,
                         testing::Values("learned_pooling", "average_pooling_adapter_386",
                                         "adapter_64_unshared_skip",
                                         "adapter_386_shared_skip_learned_pooling", "cnn_1xn_dilated",
                                         "learned_pooling_adapter_cnn_nxn",
                                         "learned_pooling_adapter_inception",
                                         "learned_pooling_adapter_xception", "adapter_pooler_tenney",
                                         "xception_abbreviated_cls_residual", "xception_full_max_pool"));

}  // namespace
}  // namespace bv
