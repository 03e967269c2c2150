#include "heads/blocks/mixed_linear.hpp"

#include <array>
#include <cmath>
#include <string>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "heads/blocks/layer_mix_kernel.hpp"
#include "tensor/float8.hpp"

namespace bv {
namespace {

/// Element type (uint8: float8), heads K, layers L, rows N, width W: whole tiles and a part of one, one row,
/// widths that are no whole vectors, or no whole blocks of columns, heads in groups of every size.
struct HeadsCase {
    at::ScalarType type;
    std::int64_t heads, layers, rows, width;
};

class MixedLinear : public testing::TestWithParam<HeadsCase> {
  protected:
    void SetUp() override {
        const auto& [type, k, l, n, w] = GetParam();
        if (!has_layer_mix_kernel(type)) GTEST_SKIP() << "needs AVX-512";
        at::manual_seed(5);
        const at::Tensor states = at::randn({1, l, n, w});
        states_ = type == at::kByte ? to_float8(states) : states.to(type);
        mixes_ = at::randn({k, l});
        weights_ = at::randn({k, 2, w});
        biases_ = at::randn({k, 2});
        gradient_ = at::randn({k, n, 2});
        ASSERT_TRUE(has_mixed_linear(states_, weights_));
    }

    using Results = std::array<at::Tensor, 4>;

    /// The result of heads [first, first + count), and the gradients of their mixes, weights and biases.
    Results run(std::int64_t first, std::int64_t count) const {
        const at::Tensor mixes = mixes_.narrow(0, first, count).clone().requires_grad_();
        const at::Tensor weights = weights_.narrow(0, first, count).clone().requires_grad_();
        const at::Tensor biases = biases_.narrow(0, first, count).clone().requires_grad_();
        const at::Tensor out = mixed_linear(states_, mixes, weights, biases);
        EXPECT_TRUE(out.transpose(1, 2).is_contiguous());
        out.backward(gradient_.narrow(0, first, count));
        return {out.detach(), mixes.grad(), weights.grad(), biases.grad()};
    }

    static void expect_close(const at::Tensor& found, const at::Tensor& wanted) {
        ASSERT_EQ(found.sizes(), wanted.sizes());
        EXPECT_EQ(found.scalar_type(), at::kFloat);
        EXPECT_LT((found - wanted).abs().max().item<double>(), 1e-5 * wanted.abs().max().item<double>());
    }

    at::Tensor states_, mixes_, weights_, biases_, gradient_;
};

TEST_P(MixedLinear, IsTheLinearOfTheMixWithItsGradients) {
    const at::Tensor states = decoded(states_[0]).to(at::kDouble);
    const at::Tensor mixes = mixes_.to(at::kDouble).requires_grad_();
    const at::Tensor weights = weights_.to(at::kDouble).requires_grad_();
    const at::Tensor biases = biases_.to(at::kDouble).requires_grad_();
    const at::Tensor wanted =
        at::einsum("kow,knw->kno", {weights, at::einsum("kl,lnw->knw", {mixes, states})}) +
        biases.unsqueeze(1);
    wanted.backward(gradient_.to(at::kDouble));
    const auto [out, of_mixes, of_weights, of_biases] = run(0, mixes_.size(0));
    expect_close(out, wanted.detach());
    expect_close(of_mixes, mixes.grad());
    expect_close(of_weights, weights.grad());
    expect_close(of_biases, biases.grad());
}

TEST_P(MixedLinear, HasTheSameBitsInAnyCompanyAndOnAnyThreads) {
    const Results all = run(0, mixes_.size(0));
    for (std::int64_t k = 0; k < mixes_.size(0); ++k) {
        const Results alone = run(k, 1);
        for (std::size_t i = 0; i < all.size(); ++i)
            EXPECT_TRUE(alone[i][0].equal(all[i][k])) << k << " " << i;
    }
    const int threads = at::get_num_threads();
    at::set_num_threads(threads == 1 ? 2 : 1);
    const Results again = run(0, mixes_.size(0));
    at::set_num_threads(threads);
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(again[i].equal(all[i])) << i;
}

TEST_P(MixedLinear, ReadsNoOtherRowAndNoOtherHead) {
    const at::Tensor wanted = run(0, mixes_.size(0))[0];
    for (std::int64_t n = 1; n < states_.size(2); n += 2) {
        const at::Tensor row = states_.select(2, n);
        if (row.scalar_type() == at::kByte) {
            row.fill_(0xFF);  // its scale is NaN too
        } else {
            row.fill_(NAN);
        }
    }
    for (std::int64_t k = 1; k < mixes_.size(0); k += 2) {
        for (const at::Tensor& own : {mixes_, weights_, biases_}) own[k].fill_(NAN);
    }
    const at::Tensor found = run(0, mixes_.size(0))[0];
    for (std::int64_t k = 0; k < found.size(0); ++k) {
        for (std::int64_t n = 0; n < found.size(1); ++n) {
            EXPECT_TRUE(k % 2 + n % 2 > 0 ? found[k][n].isnan().all().item<bool>()
                                          : found[k][n].equal(wanted[k][n]))
                << k << " " << n;
        }
    }
}

std::string heads_name(const testing::TestParamInfo<HeadsCase>& test) {
    return std::string(at::toString(test.param.type)) + "_" + std::to_string(test.param.heads) + "_of_" +
           std::to_string(test.param.layers);
}

INSTANTIATE_TEST_SUITE_P(
    AllTypes, MixedLinear,
    testing::Values(HeadsCase{at::kHalf, 1, 25, 300, 384}, HeadsCase{at::kHalf, 20, 7, 93, 384},
                    HeadsCase{at::kHalf, 5, 3, 1, 7}, HeadsCase{at::kBFloat16, 13, 26, 11, 33},
                    HeadsCase{at::kFloat, 9, 2, 17, 19}, HeadsCase{at::kByte, 1, 25, 300, 384},
                    HeadsCase{at::kByte, 13, 7, 43, 37}, HeadsCase{at::kByte, 6, 3, 70, 150},
                    HeadsCase{at::kHalf, 15, 4, 21, 344}, HeadsCase{at::kBFloat16, 1, 3, 9, 1400},
                    HeadsCase{at::kFloat, 4, 3, 64, 129}, HeadsCase{at::kBFloat16, 3, 2, 33, 200}),
    heads_name);

TEST(MixedLinear, SumsTheGradientOfABiasAloneAsBesideOthers) {
    if (!has_layer_mix_kernel(at::kFloat)) GTEST_SKIP() << "needs AVX-512";
    constexpr std::int64_t kRows = 40000;  // so many that Torch divides a sum among threads
    const at::Tensor states = at::randn({1, 2, kRows, 1});
    const at::Tensor gradient = at::randn({3, kRows, 2});
    const auto run = [&](std::int64_t first, std::int64_t count) {
        const at::Tensor biases = at::zeros({count, 2}).requires_grad_();
        mixed_linear(states, at::ones({count, 2}), at::ones({count, 2, 1}), biases)
            .backward(gradient.narrow(0, first, count));
        return biases.grad();
    };
    const at::Tensor all = run(0, 3);
    for (std::int64_t k = 0; k < 3; ++k) EXPECT_TRUE(run(k, 1)[0].equal(all[k])) << k;
}

TEST(MixedLinear, IsForStatesThatAllHeadsShareAndThatNeedNoGradient) {
    const at::Tensor states = at::randn({1, 3, 5, 16});
    EXPECT_FALSE(has_mixed_linear(at::randn({2, 3, 5, 16}), at::randn({2, 2, 16})));
    EXPECT_FALSE(has_mixed_linear(states.clone().requires_grad_(), at::randn({2, 2, 16})));
    EXPECT_FALSE(has_mixed_linear(states.to(at::kDouble), at::randn({2, 2, 16}, at::kDouble)));
    EXPECT_FALSE(has_mixed_linear(states, at::randn({2, 386, 16})));
}

}  // namespace
}  // namespace bv
