#include "adapter/batch_norm.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "one_block.hpp"

namespace bv {
namespace {

TEST(BatchNorm, NormalisesEachChannelByTheBatchInTraining) {
    const OneBlock block(R"({ type = "batch_norm" })", {2, 6});
    block["scale"].copy_(at::tensor({2.0F, 3.0F}));
    block["shift"].copy_(at::tensor({-1.0F, 1.0F}));
    StateBatch batch = random_states(2, 6, {3, 4});
    batch.states = batch.states * 5 + 2;
    const at::Tensor y = block->forward(batch.states, {batch, 0});
    for (std::int64_t c = 0; c < 2; ++c) {
        const at::Tensor x = batch.states[c];
        const double mean = x.mean().item<double>();
        const double variance = (x - mean).square().mean().item<double>();
        const double scale = c == 0 ? 2 : 3;
        const double shift = c == 0 ? -1 : 1;
        EXPECT_TRUE(at::allclose(y[c], (x - mean) / std::sqrt(variance + 1e-3) * scale + shift, 1e-5, 1e-5));
        // The fused Keras layer keeps the unbiased variance.
        EXPECT_NEAR(block["mean"][c].item<double>(), 0.01 * mean, 1e-6);
        EXPECT_NEAR(block["variance"][c].item<double>(), 0.99 + 0.01 * variance * 42 / 41, 1e-5);
    }
}

TEST(BatchNorm, NormalisesByItsRunningStatisticsInEvaluation) {
    const OneBlock block(R"({ type = "batch_norm" })", {0, 4});
    block["mean"].copy_(at::arange(4));
    block["variance"].fill_(9);
    const StateBatch batch = random_states(1, 4, {5});
    const at::Tensor x = batch.states[0];
    const at::Tensor y = block->forward(x, {batch, std::nullopt});
    EXPECT_TRUE(at::allclose(y, (x - at::arange(4)) / std::sqrt(9.001), 1e-5, 1e-6));
    EXPECT_TRUE(block["mean"].equal(at::arange(4).to(at::kFloat)));
}

TEST(BatchNorm, TrainsOnASingleValueWithoutHarm) {
    const OneBlock block(R"({ type = "batch_norm" })", {0, 4});
    const StateBatch batch = random_states(1, 4, {1});
    const at::Tensor y = block->forward(batch.states[0], {batch, 0});
    EXPECT_TRUE(at::allclose(y, batch.states[0] / std::sqrt(1.001), 1e-5, 1e-6));
    EXPECT_EQ(block["variance"].max().item<float>(), 1);
}

}  // namespace
}  // namespace bv
