// What GPUs compute, against the CPU.
#include <utility>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "bert/attention/attention.hpp"
#include "bert/model.hpp"
#include "helpers/on_gpu.hpp"
#include "helpers/sequences_of.hpp"
#include "helpers/small_batch.hpp"

namespace bv {
namespace {

using Gpu = OnGpu<testing::Test>;

double relative_error(const at::Tensor& x, const at::Tensor& reference) {
    const at::Tensor values = x.detach().to(at::kCPU, at::kFloat);
    return (at::norm(values - reference) / at::norm(reference)).item<double>();
}

TEST_F(Gpu, DropoutMasksAreThoseOfTheCpu) {
    const DropoutStream stream =
        DropoutPlan{0.3, {9, 4}, 1, DropoutSite::attention, sequences_of({1}, {2})}.stream(0);
    for (const std::int64_t count : {1, 127, 128, 5000}) {
        const at::Tensor values = at::linspace(-3, 3, count);
        at::Tensor expected = at::empty_like(values);
        apply_dropout_mask(values, expected, stream);
        const at::Tensor masked = values.to(device_);
        apply_dropout_mask(masked, masked, stream);
        EXPECT_TRUE(at::equal(masked.cpu(), expected)) << count;
    }
}

TEST_F(Gpu, DropoutOfABatchIsThatOfTheCpu) {
    DropoutPlan plan{0.3, {9, 4}, 1, DropoutSite::layer_output, sequences_of({5, 1, 400}, {31, 8, 2})};
    const at::Tensor x = at::randn({406, 96});
    const at::Tensor residual = at::randn({406, 96});
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
        const auto run = [&](at::Device device) {
            plan.sequences = std::make_shared<PackedSequences>(plan.sequences->to(device));
            const at::Tensor in =
                x.to(device, type, /*non_blocking=*/false, /*copy=*/true).set_requires_grad(true);
            const at::Tensor sum = dropout_add(in, residual.to(device), plan);
            (sum * sum).sum().backward();
            return std::pair(sum.detach().cpu(), in.grad().to(at::kCPU, at::kFloat));
        };
        const auto [sum, gradient] = run(device_);
        const auto [expected, expected_gradient] = run(at::kCPU);
        EXPECT_TRUE(at::allclose(sum, expected, 1e-6, 1e-6));
        EXPECT_TRUE(at::allclose(gradient, expected_gradient, type == at::kFloat ? 1e-6 : 1e-2, 1e-6));
    }
}

TEST_F(Gpu, FlashAttentionIsAttentionAndItsGradient) {
    constexpr std::int64_t kHeads = 4;
    const DropoutPlan plan{
        0, {}, 0, DropoutSite::attention, sequences_of({5, 9, 1, 130, 386}, {0, 1, 2, 3, 4})};
    for (const std::int64_t head_size : {32, 64}) {
        at::manual_seed(1);
        const at::Tensor x = at::randn({plan.sequences->rows(), 3 * kHeads * head_size}).to(at::kBFloat16);
        const at::Tensor weights = at::randn({plan.sequences->rows(), kHeads * head_size});
        const at::Tensor expected_x = x.to(at::kFloat).set_requires_grad(true);
        const at::Tensor expected = plain_attention(expected_x, kHeads, plan);
        (expected * weights).sum().backward();
        const at::Tensor gpu_x = x.to(device_).set_requires_grad(true);
        DropoutPlan gpu_plan = plan;
        gpu_plan.sequences = std::make_shared<PackedSequences>(plan.sequences->to(device_));
        const at::Tensor y = flash_attention(gpu_x, kHeads, gpu_plan);
        (y * weights.to(device_)).sum().backward();
        EXPECT_LT(relative_error(y, expected.detach()), 0.01) << head_size;
        EXPECT_LT(relative_error(gpu_x.grad(), expected_x.grad()), 0.02) << head_size;
    }
}

TEST_F(Gpu, FlashAttentionDropsTheSameEachTimeAndAnotherEachStep) {
    const at::Tensor x = at::randn({100, 3 * 4 * 32}).to(device_, at::kBFloat16);
    const auto sequences = std::make_shared<PackedSequences>(sequences_of({40, 60}, {7, 3})->to(device_));
    const auto of_step = [&](std::int64_t step) {
        return flash_attention(x, 4, {0.2, {1, step}, 0, DropoutSite::attention, sequences});
    };
    EXPECT_TRUE(at::equal(of_step(1), of_step(1)));
    EXPECT_FALSE(at::equal(of_step(1), of_step(2)));
}

// float32 uses plain attention and the dropout law: the same masks, so the same loss. bfloat16 goes without
// dropout here, because flash attention draws its own.
TEST_F(Gpu, LossAndGradientsAreThoseOfTheCpu) {
    const Features features = features_of_lengths({5, 12, 3, 40});
    const DropoutKey key{4, 19};
    for (const bool narrow : {false, true}) {
        const auto loss_and_gradients = [&](at::Device device, at::ScalarType precision) {
            Model model(small_config(), Task::span, 3);
            model.to(device, precision);
            for (const Parameter& parameter : model.trainable()) parameter.tensor.set_requires_grad(true);
            const Batch batch = batch_of(features, {0, 1, 2, 3}).to(device);
            const at::Tensor loss = model.loss(batch, model.logits(batch, narrow ? nullptr : &key));
            loss.backward();
            std::vector<at::Tensor> flat{loss.detach().flatten()};
            for (const Parameter& parameter : model.trainable())
                flat.push_back(parameter.tensor.grad().flatten());
            return at::cat(flat).cpu();
        };
        const at::Tensor expected = loss_and_gradients(at::kCPU, at::kFloat);
        const at::Tensor found = loss_and_gradients(device_, narrow ? at::kBFloat16 : at::kFloat);
        EXPECT_LT(relative_error(found, expected), narrow ? 0.03 : 1e-4);
    }
}

}  // namespace
}  // namespace bv
