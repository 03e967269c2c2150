#include "heads/blocks/dropout.hpp"

#include <gtest/gtest.h>

#include "one_block.hpp"

namespace bv {
namespace {

constexpr const char* kDropout = R"({ type = "dropout", rate = 0.25 })";

/// What dropout makes of ones (2, N, 300), sequences of 5 and 7 rows.
at::Tensor mask(std::optional<std::int64_t> step, std::uint64_t seed = 1) {
    const OneBlock block(kDropout, {2, 300}, {seed});
    const StateBatch batch = random_states(2, 300, {5, 7});
    return block.forward(at::ones_like(batch.states), {batch, step});
}

TEST(Dropout, DropsItsShareAndScalesTheRest) {
    const at::Tensor drawn = mask(0);
    const at::Tensor kept = drawn != 0;
    EXPECT_NEAR(kept.to(at::kFloat).mean().item<double>(), 0.75, 0.02);
    EXPECT_TRUE(drawn.masked_select(kept).equal(at::full({kept.sum().item<std::int64_t>()}, 1 / 0.75F)));
}

TEST(Dropout, LeavesEvaluationAlone) {
    EXPECT_TRUE(mask(std::nullopt).equal(at::ones({2, 12, 300})));
}

TEST(Dropout, DrawsAnewForEachStepSeedChannelAndExample) {
    const at::Tensor drawn = mask(0);
    EXPECT_TRUE(drawn.equal(mask(0)));
    const auto alike = [](const at::Tensor& a, const at::Tensor& b) {
        return (a == b).to(at::kFloat).mean().item<double>();
    };
    constexpr double kChance = 0.25 * 0.25 + 0.75 * 0.75;
    EXPECT_NEAR(alike(drawn, mask(1)), kChance, 0.03);
    EXPECT_NEAR(alike(drawn, mask(0, 2)), kChance, 0.03);
    EXPECT_NEAR(alike(drawn[0], drawn[1]), kChance, 0.03);
    EXPECT_NEAR(alike(drawn.narrow(1, 0, 5), drawn.narrow(1, 5, 5)), kChance, 0.03);
}

TEST(Dropout, DrawsAnExampleAloneAsBesideOthers) {
    const OneBlock block(kDropout, {2, 3});
    const StateBatch batch = random_states(2, 3, {50, 70});
    const StateBatch one = alone(batch, 1);
    EXPECT_TRUE(
        block.forward(batch.states, {batch, 4}).narrow(1, 50, 70).equal(block.forward(one.states, {one, 4})));
}

}  // namespace
}  // namespace bv
