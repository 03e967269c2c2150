#include "random/dropout.hpp"

#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "helpers/sequences_of.hpp"
#include "random/dropout_kernel.hpp"

namespace bv {
namespace {

at::Tensor mask_of(std::int64_t count, double p, const DropoutKey& key, std::int64_t example,
                   DropoutSite site = DropoutSite::attention, std::int64_t layer = 3) {
    at::Tensor ones = at::ones({count});
    apply_dropout_mask(ones, ones,
                       DropoutPlan{p, key, layer, site, sequences_of({count}, {example})}.stream(0));
    return ones;
}

TEST(Philox, GivesThePublishedVector) {
    // Random123's known answer for counter and key of digits of pi.
    const PhiloxStream stream{0xa4093822, 0x299f31d0, 0x85a308d3, 0x13198a2e, 0x03707344};
    const PhiloxWords drawn = philox(stream, 0x243f6a88);
    EXPECT_THAT(drawn.c, testing::ElementsAre(0xd16cfe09U, 0x94fdccebU, 0x5001e420U, 0x24126ea1U));
}

TEST(Dropout, MaskIsTheDocumentedLaw) {
    const DropoutKey key{0x123456789ABCDEFULL, 77};
    constexpr std::int64_t kCount = 300;
    const at::Tensor mask = mask_of(kCount, 0.1, key, 5);
    const std::uint32_t threshold = 6554;  // round(0.1 * 65536)
    for (std::int64_t i = 0; i < kCount; ++i) {
        const PhiloxStream stream{0x89ABCDEF, 0x01234567, 5, 3U << 8 | 1U, 77};
        const PhiloxWords drawn = philox(stream, static_cast<std::uint32_t>(i / 128 * 16 + i % 16));
        const bool kept = half_word(drawn, static_cast<int>(i % 128 / 16)) >= threshold;
        ASSERT_FLOAT_EQ(mask[i].item<float>(), kept ? 65536.0F / (65536.0F - 6554.0F) : 0.0F)
            << "element " << i;
    }
}

TEST(Dropout, TheMaskIsTheSameInBfloat16) {
    const DropoutKey key{9, 4};
    const at::Tensor values = at::linspace(-3, 3, 300);
    const DropoutStream stream =
        DropoutPlan{0.3, key, 1, DropoutSite::attention, sequences_of({1}, {2})}.stream(0);
    at::Tensor wide = at::empty({300});
    apply_dropout_mask(values, wide, stream);
    at::Tensor narrow = at::empty({300}, at::kBFloat16);
    apply_dropout_mask(values, narrow, stream);
    EXPECT_TRUE(narrow.equal(wide.to(at::kBFloat16)));
    apply_dropout_mask(values.to(at::kBFloat16), wide, stream);
    at::Tensor rounded = values.to(at::kBFloat16).to(at::kFloat);
    apply_dropout_mask(rounded, rounded, stream);
    EXPECT_TRUE(wide.equal(rounded));
}

TEST(Dropout, KeepsTheWantedShareAndTheMean) {
    const at::Tensor mask = mask_of(1 << 20, 0.1, {1, 1}, 0);
    EXPECT_NEAR((mask == 0).sum().item<double>() / (1 << 20), 0.1, 0.002);
    EXPECT_NEAR(mask.mean().item<double>(), 1.0, 0.003);
}

TEST(Dropout, AProbabilityJustBelowOneIsRoundedToOneThatHasAScale) {
    const DropoutStream stream = DropoutPlan{.p = 0.999999, .sequences = sequences_of({4}, {5})}.stream(0);
    EXPECT_EQ(stream.threshold, 65535U);
    EXPECT_EQ(stream.scale, 65536.0F);
}

TEST(Dropout, EveryWordOfTheKeyMatters) {
    const at::Tensor mask = mask_of(4096, 0.5, {1, 1}, 0);
    EXPECT_FALSE(at::equal(mask, mask_of(4096, 0.5, {2, 1}, 0)));
    EXPECT_FALSE(at::equal(mask, mask_of(4096, 0.5, {1, 2}, 0)));
    EXPECT_FALSE(at::equal(mask, mask_of(4096, 0.5, {1, 1}, 1)));
    EXPECT_FALSE(at::equal(mask, mask_of(4096, 0.5, {1, 1}, 0, DropoutSite::embedding)));
    EXPECT_FALSE(at::equal(mask, mask_of(4096, 0.5, {1, 1}, 0, DropoutSite::attention, 4)));
    EXPECT_TRUE(at::equal(mask, mask_of(4096, 0.5, {1, 1}, 0)));
}

TEST(Dropout, AnExampleHasTheSameMaskInAnyBatch) {
    const at::Tensor x = at::ones({12, 7});
    const DropoutKey key{9, 4};
    const at::Tensor both =
        dropout(x, {0.3, key, 1, DropoutSite::layer_output, sequences_of({5, 7}, {31, 8})});
    const at::Tensor one =
        dropout(at::ones({7, 7}), {0.3, key, 1, DropoutSite::layer_output, sequences_of({7}, {8})});
    EXPECT_TRUE(at::equal(both.narrow(0, 5, 7), one));
}

// Here as plain C++, thread by thread: what is left to GPUs is to launch it.
TEST(Dropout, TheKernelOfGpusFollowsTheLaw) {
    const DropoutPlan plan{0.3, {9, 4}, 1, DropoutSite::layer_output, sequences_of({5, 1, 19}, {31, 8, 2})};
    for (const std::int64_t width : {1, 7, 16, 64}) {
        const MaskedRows all{plan.stream(0), plan.sequences->packing.const_data_ptr<std::int64_t>(), 3, 19,
                             width};
        const at::Tensor x = at::randn({25, width});
        const at::Tensor residual = at::randn({25, width});
        const at::Tensor found = at::full({25, width}, -1.0F);
        const at::Tensor sum = at::full({25, width}, -1.0F);
        for (std::int64_t b = 0; b < 3; ++b) {
            for (std::int64_t counter = 0; counter < counters_of(all, all.longest); ++counter) {
                mask_counter<float, float>(x.const_data_ptr<float>(), nullptr, found.data_ptr<float>(), all,
                                           b, counter);
                mask_counter(x.const_data_ptr<float>(), residual.const_data_ptr<float>(),
                             sum.data_ptr<float>(), all, b, counter);
            }
        }
        EXPECT_TRUE(found.equal(dropout(x, plan))) << width;
        EXPECT_TRUE(sum.equal(dropout_add(x, residual, plan))) << width;
    }
}

TEST(Dropout, OfASumHandsTheSumsGradientToBoth) {
    const DropoutPlan plan{0.4, {5, 6}, 0, DropoutSite::embedding, sequences_of({2, 4}, {3, 4})};
    const at::Tensor x = at::randn({6, 50}).to(at::kBFloat16).set_requires_grad(true);
    const at::Tensor residual = at::randn({6, 50}).set_requires_grad(true);
    const at::Tensor weights = at::randn({6, 50});
    (dropout_add(x, residual, plan) * weights).sum().backward();
    EXPECT_TRUE(residual.grad().equal(weights));
    EXPECT_TRUE(x.grad().equal(dropout(weights, plan).to(at::kBFloat16)));
}

TEST(Dropout, BackwardDrawsTheForwardMask) {
    at::Tensor x = at::ones({6, 50}).set_requires_grad(true);
    const at::Tensor y = dropout(x, {0.4, {5, 6}, 0, DropoutSite::embedding, sequences_of({2, 4}, {3, 4})});
    y.sum().backward();
    EXPECT_TRUE(at::equal(x.grad(), y.detach()));
    EXPECT_GT((y == 0).sum().item<std::int64_t>(), 60);
}

}  // namespace
}  // namespace bv
