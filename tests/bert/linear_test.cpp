#include "bert/linear.hpp"

#include <utility>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace bv {
namespace {

struct Gradients {
    at::Tensor values, x, weight, bias;
};

template <typename Function>
Gradients run(const Function& function, at::ScalarType precision) {
    at::manual_seed(5);
    const auto leaf = [&](at::IntArrayRef shape) {
        return at::randn(shape).to(precision).set_requires_grad(true);
    };
    const at::Tensor x = leaf({70, 48});
    const at::Tensor weight = leaf({33, 48});
    const at::Tensor bias = leaf({33});
    const at::Tensor y = function(x, weight, bias);
    EXPECT_EQ(y.scalar_type(), precision);
    (y * at::randn({70, 33}).to(precision)).sum().backward();
    const auto wide = [](const at::Tensor& values) { return values.detach().to(at::kDouble); };
    return {wide(y), wide(x.grad()), wide(weight.grad()), wide(bias.grad())};
}

// Against doubles: at::linear itself rounds to bfloat16 before it adds the bias on some processors.
TEST(Linear, IsTheBiasedProductAndItsGradients) {
    for (const auto& [precision, relative] : {std::pair{at::kFloat, 1e-5}, {at::kBFloat16, 1e-2}}) {
        SCOPED_TRACE(at::toString(precision));
        const auto in_doubles = [](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
            const auto wide = [](const at::Tensor& values) { return values.to(at::kDouble); };
            return at::linear(wide(x), wide(weight), wide(bias)).to(x.scalar_type());
        };
        const Gradients exact = run(in_doubles, precision);
        const Gradients ours = run(linear, precision);
        EXPECT_TRUE(at::allclose(ours.values, exact.values, relative, relative));
        EXPECT_TRUE(at::allclose(ours.x, exact.x, relative, relative));
        EXPECT_TRUE(at::allclose(ours.weight, exact.weight, relative, relative));
        EXPECT_TRUE(at::allclose(ours.bias, exact.bias, relative, relative));
    }
}

TEST(Linear, TheFrozenOneIsTheSameProduct) {
    at::manual_seed(6);
    const at::Tensor x = at::randn({70, 48});
    const at::Tensor weight = at::randn({33, 48});
    const at::Tensor bias = at::randn({33});
    for (const auto& [precision, tolerance] : {std::pair{at::kFloat, 1e-5}, {at::kBFloat16, 1e-2}}) {
        SCOPED_TRACE(at::toString(precision));
        const FrozenLinear frozen(weight, bias, precision);
        const at::Tensor expected = linear(x.to(precision), weight.to(precision), bias.to(precision));
        const at::Tensor found = frozen(x.to(precision));
        EXPECT_EQ(found.scalar_type(), precision);
        EXPECT_TRUE(at::allclose(found.to(at::kFloat), expected.to(at::kFloat), tolerance, tolerance));
    }
}

}  // namespace
}  // namespace bv
