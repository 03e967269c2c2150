#include <cmath>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "optim/gradient_sync.hpp"

namespace bv {
namespace {

TEST(GradientClipping, TheNormIsThatOfAllGradientsTogether) {
    const at::Tensor a = at::ones({2});
    const at::Tensor b = at::ones({1, 1});
    const FlatParameters flat({a, b}, {false, true});
    a.grad().copy_(at::tensor({2.0F, 3.0F}));
    b.grad().fill_(6);
    EXPECT_FLOAT_EQ(static_cast<float>(gradient_norm(flat)), 7);
}

TEST(GradientClipping, TheNormOfManyLosesNoDigits) {
    constexpr std::int64_t kCount = 3'000'000;
    const at::Tensor a = at::ones({kCount});
    const FlatParameters flat({a}, {false});
    a.grad().fill_(0.1F);
    EXPECT_NEAR(gradient_norm(flat) / (static_cast<double>(0.1F) * std::sqrt(double{kCount})), 1, 1e-6);
}

TEST(GradientClipping, TheFactorIsTorchs) {
    EXPECT_DOUBLE_EQ(clip_factor(2, 1), 1 / (2 + 1e-6));
    EXPECT_EQ(clip_factor(0.5, 1), 1);
    EXPECT_EQ(clip_factor(0, 1), 1);
    EXPECT_LT(clip_factor(1, 1), 1) << "torch's 1e-6 counts at the border too";
}

TEST(GradientClipping, LongGradientsAreScaledAndShortOnesKept) {
    const at::Tensor a = at::ones({2});
    FlatParameters flat({a}, {false});
    a.grad().copy_(at::tensor({3.0F, 4.0F}));
    EXPECT_NEAR(clip_gradients(flat, 1), 5, 1e-6);
    EXPECT_TRUE(at::allclose(a.grad(), at::tensor({0.6F, 0.8F}), 1e-6));
    const at::Tensor before = a.grad().clone();
    EXPECT_NEAR(clip_gradients(flat, 10), 1, 1e-6);
    EXPECT_TRUE(a.grad().equal(before));
}

}  // namespace
}  // namespace bv
