#include "heads/blocks/layer_mix.hpp"

#include <string>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "heads/blocks/layer_mix_kernel.hpp"
#include "tensor/float8.hpp"

namespace bv {
namespace {

/// Element type (kByte is float8), mixes K, layers L, rows N, width W: less than a vector of elements, odd
/// ends, several pieces, rows longer than a piece.
struct Case {
    at::ScalarType type;
    std::int64_t mixes, layers, rows, width;
};

class LayerMix : public testing::TestWithParam<Case> {
  protected:
    void SetUp() override {
        at::manual_seed(3);
        const auto& [type, k, l, n, w] = GetParam();
        const at::Tensor values = at::randn({l, n, w}) * at::randn({l, n, 1}).exp();
        states_ = type == at::kByte ? to_float8(values) : values.to(type);
        mixes_ = at::randn({k, l});
        gradient_ = at::randn({k, n, w});
    }

    /// The mixes of rows [first, first + count), and the gradient of these.
    std::pair<at::Tensor, at::Tensor> run(std::int64_t first, std::int64_t count) const {
        const at::Tensor mixes = mixes_.narrow(0, first, count).clone().requires_grad_();
        const at::Tensor out = layer_mix(states_.unsqueeze(0), mixes);
        out.backward(gradient_.narrow(0, first, count));
        return {out.detach(), mixes.grad()};
    }

    at::Tensor states_, mixes_, gradient_;
};

TEST_P(LayerMix, IsTheWeightedSumOfTheStatesWithItsGradient) {
    const auto [out, gradient] = run(0, mixes_.size(0));
    const at::Tensor states = decoded(states_).to(at::kDouble);
    const at::Tensor expected = at::einsum("kl,lnw->knw", {mixes_.to(at::kDouble), states});
    const at::Tensor expected_gradient = at::einsum("knw,lnw->kl", {gradient_.to(at::kDouble), states});
    EXPECT_EQ(out.scalar_type(), at::kFloat);
    EXPECT_LT((out - expected).abs().max().item<double>(), 1e-5 * expected.abs().max().item<double>());
    EXPECT_LT((gradient - expected_gradient).abs().max().item<double>(),
              1e-5 * expected_gradient.abs().max().item<double>());
}

class LayerMixKernel : public LayerMix {};

TEST_P(LayerMixKernel, HasTheSameBitsInAnyCompanyAndOnAnyThreads) {
    if (!has_layer_mix_kernel(GetParam().type)) GTEST_SKIP() << "needs AVX-512";
    const auto [out, gradient] = run(0, mixes_.size(0));
    for (std::int64_t k = 0; k < mixes_.size(0); ++k) {
        const auto [own, own_gradient] = run(k, 1);
        EXPECT_TRUE(own[0].equal(out[k])) << k;
        EXPECT_TRUE(own_gradient[0].equal(gradient[k])) << k;
    }
    const int threads = at::get_num_threads();
    at::set_num_threads(threads == 1 ? 2 : 1);
    const auto [again, again_gradient] = run(0, mixes_.size(0));
    at::set_num_threads(threads);
    EXPECT_TRUE(again.equal(out));
    EXPECT_TRUE(again_gradient.equal(gradient));
}

std::string name_of(const testing::TestParamInfo<Case>& test) {
    return std::string(at::toString(test.param.type)) + "_" + std::to_string(test.param.mixes) + "_of_" +
           std::to_string(test.param.layers);
}

const Case kCases[] = {
    {at::kHalf, 1, 25, 300, 384},     {at::kHalf, 20, 7, 90, 384},     {at::kHalf, 5, 3, 1, 7},
    {at::kBFloat16, 1, 25, 300, 384}, {at::kBFloat16, 13, 26, 11, 33}, {at::kFloat, 1, 7, 300, 384},
    {at::kFloat, 9, 2, 17, 19},       {at::kByte, 1, 25, 300, 384},    {at::kByte, 14, 7, 90, 100},
    {at::kByte, 5, 3, 1, 7},          {at::kByte, 2, 3, 2, 40000}};
INSTANTIATE_TEST_SUITE_P(AllTypes, LayerMix, testing::ValuesIn(kCases), name_of);
INSTANTIATE_TEST_SUITE_P(AllTypes, LayerMixKernel, testing::ValuesIn(kCases), name_of);
// No processor has a kernel for it: converted a piece at a time, as on GPUs.
INSTANTIATE_TEST_SUITE_P(Pieces, LayerMix, testing::Values(Case{at::kDouble, 3, 7, 300, 384}), name_of);

TEST(LayerMixOfFloat8, HasTheBitsOfTheSameStatesInFloat32) {
    if (!has_layer_mix_kernel(at::kByte)) GTEST_SKIP() << "needs AVX-512";
    at::manual_seed(4);
    const at::Tensor states = to_float8(at::randn({1, 7, 50, 100}));
    const at::Tensor mixes = at::randn({5, 7});
    EXPECT_TRUE(layer_mix(states, mixes).equal(layer_mix(decoded(states), mixes)));
}

TEST(LayerMixOfTrainedStates, HandsTheirGradientBack) {
    const at::Tensor states = at::randn({1, 3, 5, 4}).requires_grad_();
    const at::Tensor mixes = at::randn({2, 3}).requires_grad_();
    layer_mix(states, mixes).sum().backward();
    EXPECT_TRUE(at::allclose(states.grad(), mixes.detach().sum(0).view({1, 3, 1, 1}).expand({1, 3, 5, 4})));
    EXPECT_TRUE(at::allclose(mixes.grad(), states.detach().sum({0, 2, 3}).expand({2, 3}), 1e-4, 1e-5));
}

TEST(LayerMixOfTrainedStates, TakesEachMixFromItsOwnStates) {
    const at::Tensor states = at::randn({2, 3, 5, 4});
    const at::Tensor mixes = at::randn({2, 3});
    const at::Tensor expected = at::einsum("kl,klnw->knw", {mixes, states});
    EXPECT_TRUE(at::allclose(layer_mix(states, mixes), expected, 1e-5, 1e-6));
}

}  // namespace
}  // namespace bv
