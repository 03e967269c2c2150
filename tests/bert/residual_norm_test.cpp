#include "bert/residual_norm.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "helpers/sequences_of.hpp"

namespace bv {
namespace {

struct NormGradients {
    at::Tensor values, x, residual, weight, bias;
};

/// Both outputs of a residual_norm are used, as in the encoder.
template <typename Function>
NormGradients run_norm(const Function& function, std::int64_t hidden, at::ScalarType precision) {
    at::manual_seed(5);
    const auto leaf = [](const at::Tensor& x) { return x.detach().clone().set_requires_grad(true); };
    const at::Tensor x = leaf(at::randn({40, hidden}).to(precision));
    const at::Tensor residual = leaf(at::randn({40, hidden}));
    const at::Tensor weight = leaf(at::rand({hidden}) + 0.5);
    const at::Tensor bias = leaf(at::randn({hidden}));
    const HiddenState y = function(x, residual, weight, bias);
    EXPECT_EQ(y.rounded.scalar_type(), precision);
    EXPECT_TRUE(at::equal(y.rounded, y.values.to(precision)));
    ((y.values * at::randn({40, hidden})).sum() + (y.rounded * at::randn({40, hidden}).to(precision)).sum())
        .backward();
    return {y.values.detach(), x.grad().to(at::kFloat), residual.grad(), weight.grad(), bias.grad()};
}

void expect_close(const NormGradients& a, const NormGradients& b, double relative, double absolute) {
    EXPECT_TRUE(at::allclose(a.values, b.values, 1e-5, 1e-5));
    EXPECT_TRUE(at::allclose(a.x, b.x, relative, absolute));
    EXPECT_TRUE(at::allclose(a.residual, b.residual, relative, absolute));
    EXPECT_TRUE(at::allclose(a.weight, b.weight, relative, absolute));
    EXPECT_TRUE(at::allclose(a.bias, b.bias, relative, absolute));
}

// Widths that fill registers and dropout groups and widths that do not; one sequence longer than a thread's
// piece.
TEST(ResidualNorm, IsDropoutSumAndLayerNormAndTheirGradients) {
    for (const std::int64_t hidden : {24, 128, 200, 384}) {
        for (const double p : {0.0, 0.3}) {
            const DropoutPlan plan{
                p, {7, 2}, 1, DropoutSite::layer_output, sequences_of({3, 35, 2}, {4, 9, 0})};
            for (const at::ScalarType precision : {at::kFloat, at::kBFloat16}) {
                const NormGradients ours = run_norm(
                    [&](const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                        const at::Tensor& bias) {
                        return residual_norm(x, residual, weight, bias, 1e-12, plan);
                    },
                    hidden, precision);
                const NormGradients expected = run_norm(
                    [&](const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                        const at::Tensor& bias) {
                        const at::Tensor values =
                            at::layer_norm(dropout(x, plan) + residual, {hidden}, weight, bias, 1e-12);
                        return HiddenState{values, values.to(precision)};
                    },
                    hidden, precision);
                expect_close(ours, expected, precision == at::kFloat ? 1e-4 : 1e-2, 1e-5);
            }
        }
    }
}

TEST(ResidualNorm, OneOutputMayBeUnused) {
    const DropoutPlan plan{0.1, {7, 2}, 1, DropoutSite::layer_output, sequences_of({2}, {4})};
    const at::Tensor x = at::randn({2, 32}).to(at::kBFloat16).set_requires_grad(true);
    const HiddenState y = residual_norm(x, at::randn({2, 32}), at::ones({32}), at::zeros({32}), 1e-12, plan);
    (y.values * at::randn({2, 32})).sum().backward();
    EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
    EXPECT_GT(x.grad().abs().sum().item<double>(), 0);
}

}  // namespace
}  // namespace bv
