#include "heads/blocks/batch_norm.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "one_block.hpp"

namespace bv {
namespace {

TEST(BatchNorm, NormalisesEachChannelByTheBatchInTraining) {
    const OneBlock block(R"({ type = "batch_norm" })", {2, 6});
    block["scale"][0].copy_(at::tensor({2.0F, 3.0F}));
    block["shift"][0].copy_(at::tensor({-1.0F, 1.0F}));
    StateBatch batch = random_states(2, 6, {3, 4});
    batch.states = batch.states * 5 + 2;
    const at::Tensor y = block.forward(batch.states, {batch, 0});
    for (std::int64_t c = 0; c < 2; ++c) {
        const at::Tensor x = batch.states[c];
        const double mean = x.mean().item<double>();
        const double variance = (x - mean).square().mean().item<double>();
        const double scale = c == 0 ? 2 : 3;
        const double shift = c == 0 ? -1 : 1;
        EXPECT_TRUE(at::allclose(y[c], (x - mean) / std::sqrt(variance + 1e-3) * scale + shift, 1e-5, 1e-5));
        // The fused Keras layer keeps the unbiased variance.
        EXPECT_NEAR(block["mean"][0][c].item<double>(), 0.01 * mean, 1e-6);
        EXPECT_NEAR(block["variance"][0][c].item<double>(), 0.99 + 0.01 * variance * 42 / 41, 1e-5);
    }
}

TEST(BatchNorm, NormalisesByItsRunningStatisticsInEvaluation) {
    const OneBlock block(R"({ type = "batch_norm" })", {0, 4});
    block["mean"][0].copy_(at::arange(4));
    block["variance"].fill_(9);
    const StateBatch batch = random_states(1, 4, {5});
    const at::Tensor x = batch.states[0];
    const at::Tensor y = block.forward(x, {batch, std::nullopt});
    EXPECT_TRUE(at::allclose(y, (x - at::arange(4)) / std::sqrt(9.001), 1e-5, 1e-6));
    EXPECT_TRUE(block["mean"][0].equal(at::arange(4).to(at::kFloat)));
}

TEST(BatchNorm, HasTheGradientOfPyTorchs) {
    const OneBlock block(R"({ type = "batch_norm" })", {3, 5});
    block["scale"][0].copy_(at::tensor({2.0F, -3.0F, 0.5F}));
    const StateBatch batch = random_states(3, 5, {3, 4});
    const at::Tensor weights = at::randn({3, 7, 5});
    const auto gradients = [&](const auto& normalise) {
        std::vector<at::Tensor> inputs{batch.states.clone(), block["scale"], block["shift"]};
        for (at::Tensor& input : inputs) input.set_requires_grad(true).mutable_grad().reset();
        (normalise(inputs[0]) * weights).sum().backward();
        std::vector<at::Tensor> found;
        for (const at::Tensor& input : inputs) found.push_back(input.grad().clone());
        return found;
    };
    const auto ours = gradients([&](const at::Tensor& x) { return block.forward(x, {batch, 0}); });
    const auto theirs = gradients([&](const at::Tensor& x) {
        return at::batch_norm(x.unsqueeze(0), block["scale"][0], block["shift"][0], {}, {}, true, 0.01, 1e-3,
                              false)
            .squeeze(0);
    });
    for (std::size_t i = 0; i < ours.size(); ++i)
        EXPECT_TRUE(at::allclose(ours[i], theirs[i], 1e-4, 1e-5)) << i;
}

TEST(BatchNorm, KeepsItsDigitsFarFromZero) {
    const OneBlock block(R"({ type = "batch_norm" })", {0, 2});
    const StateBatch batch = random_states(1, 2, {900});
    const at::Tensor x = batch.states[0] * 0.1 + 1000;
    block.forward(x, {batch, 0});
    const at::Tensor variance = x.to(at::kDouble).var(0);
    EXPECT_TRUE(at::allclose((block["variance"][0] - 0.99).to(at::kDouble) / 0.01, variance, 1e-2, 1e-4));
}

TEST(BatchNorm, MakesASingleValueItsShift) {
    const OneBlock block(R"({ type = "batch_norm" })", {0, 4});
    block["shift"].fill_(3);
    const StateBatch batch = random_states(1, 4, {1});
    EXPECT_TRUE(at::allclose(block.forward(batch.states[0], {batch, 0}), at::full({1, 4}, 3.0F)));
    EXPECT_NEAR(block["variance"].max().item<float>(), 0.99, 1e-6);  // as Keras: a variance of 0
}

}  // namespace
}  // namespace bv
