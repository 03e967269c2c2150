#include "heads/blocks/flat_gelu.hpp"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "heads/blocks/layer_mix_kernel.hpp"

namespace bv {
namespace {

using Sizes = std::vector<std::int64_t>;  // L, N, K, W

class FlatGelu : public testing::TestWithParam<Sizes> {
  protected:
    void SetUp() override {
        at::manual_seed(7);
        if (!has_layer_mix_kernel(at::kFloat)) GTEST_SKIP() << "needs AVX-512";
        x_ = at::randn(GetParam()) * 3;
        ASSERT_TRUE(has_flat_gelu(x_));
        gradient_ = at::randn(flatten(x_).sizes());
    }

    /// The block "flatten" for x (L, N, K, W).
    static at::Tensor flatten(const at::Tensor& x) { return x.permute({2, 1, 3, 0}).flatten(2); }

    /// The result and its gradient.
    std::pair<at::Tensor, at::Tensor> run() const {
        const at::Tensor x = x_.clone().requires_grad_();
        const at::Tensor out = flat_gelu(x);
        out.backward(gradient_);
        return {out.detach(), x.grad()};
    }

    /// Within 1e-6 of the larger of `scale` and the wanted number.
    static void expect_close(const at::Tensor& found, const at::Tensor& wanted, const at::Tensor& scale) {
        ASSERT_EQ(found.sizes(), wanted.sizes());
        EXPECT_LT(((found - wanted).abs() / at::maximum(wanted.abs(), scale)).max().item<double>(), 1e-6);
    }

    at::Tensor x_, gradient_;
};

TEST_P(FlatGelu, IsGeluAndThenFlattenWithItsGradient) {
    const at::Tensor x = x_.to(at::kDouble).requires_grad_();
    const at::Tensor wanted = flatten(at::gelu(x, "tanh"));
    wanted.backward(gradient_.to(at::kDouble));
    const auto [out, of_x] = run();
    expect_close(out, wanted.detach(), at::ones({1}, at::kDouble));
    // The gradient times a derivative, which is 1.13 at most.
    const at::Tensor scale = gradient_.unflatten(2, {x_.size(3), x_.size(0)}).permute({3, 1, 0, 2});
    expect_close(of_x, x.grad(), scale.abs().to(at::kDouble));
}

TEST_P(FlatGelu, HasTheSameBitsOnAnyThreads) {
    const auto [out, of_x] = run();
    const int threads = at::get_num_threads();
    at::set_num_threads(threads == 1 ? 2 : 1);
    const auto [again, again_of_x] = run();
    at::set_num_threads(threads);
    EXPECT_TRUE(again.equal(out));
    EXPECT_TRUE(again_of_x.equal(of_x));
}

INSTANTIATE_TEST_SUITE_P(AllShapes, FlatGelu,
                         testing::Values(Sizes{1, 1, 1, 1}, Sizes{25, 40, 1, 64}, Sizes{7, 33, 20, 64},
                                         Sizes{3, 9, 2, 386}, Sizes{2, 5, 3, 17}),
                         [](const testing::TestParamInfo<Sizes>& test) {
                             return std::to_string(test.param[2]) + "_of_" + std::to_string(test.param[0]) +
                                    "_layers_and_width_" + std::to_string(test.param[3]);
                         });

TEST_P(FlatGelu, TakesAnyStrides) {
    const at::Tensor strided = x_.permute({3, 2, 1, 0}).contiguous().permute({3, 2, 1, 0});
    EXPECT_TRUE(flat_gelu(strided).equal(flat_gelu(x_)));
}

TEST(FlatGeluOf, LargeNumbersAndNoNumbers) {
    if (!has_layer_mix_kernel(at::kFloat)) GTEST_SKIP() << "needs AVX-512";
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> x{0.0F, 12.0F, -12.0F, 100.0F, -100.0F, 1e15F, -1e15F, -3e38F, kNan};
    const std::vector<float> wanted{0.0F, 12.0F, 0.0F, 100.0F, 0.0F, 1e15F, 0.0F, 0.0F, kNan};
    const std::vector<float> slopes{0.5F, 1.0F, 0.0F, 1.0F, 0.0F, 1.0F, 0.0F, 0.0F, kNan};
    const at::Tensor leaf = at::tensor(x).view({1, 1, 1, -1}).requires_grad_();
    const at::Tensor out = flat_gelu(leaf);
    out.sum().backward();
    EXPECT_TRUE(at::allclose(out.detach().flatten(), at::tensor(wanted), 1e-6, 1e-8, true));
    EXPECT_TRUE(at::allclose(leaf.grad().flatten(), at::tensor(slopes), 1e-6, 1e-8, true));
}

TEST(FlatGeluOf, IsForFloatsAlone) {
    EXPECT_FALSE(has_flat_gelu(at::randn({1, 2, 3, 4}, at::kDouble)));
}

}  // namespace
}  // namespace bv
