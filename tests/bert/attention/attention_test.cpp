#include "bert/attention/attention.hpp"

#include <cmath>
#include <numeric>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "helpers/sequences_of.hpp"

namespace bv {
namespace {

constexpr std::int64_t kHeads = 3;

/// A batch with sequences of these lengths; `p` = 0 drops nothing.
DropoutPlan plan_of(const std::vector<std::int64_t>& lengths, double p) {
    std::vector<std::int64_t> examples(lengths.size());
    std::iota(examples.begin(), examples.end(), 0);
    return {p, {11, 3}, 2, DropoutSite::attention, sequences_of(lengths, examples)};
}

/// Queries, keys and values (N, 3 H) with heads of `head_size`.
at::Tensor random_input(const DropoutPlan& plan, std::int64_t head_size) {
    at::manual_seed(1);
    return at::randn({plan.sequences->rows(), 3 * kHeads * head_size});
}

/// The textbook formula in plain operations, with an explicit mask (A, T, T) for each sequence.
at::Tensor textbook(const at::Tensor& x, const DropoutPlan& plan) {
    const std::int64_t hidden = x.size(1) / 3;
    std::vector<at::Tensor> outputs;
    for (std::size_t b = 0; b < plan.sequences->examples.size(); ++b) {
        const std::int64_t tokens = plan.sequences->rows_of(b);
        const auto part = [&](std::int64_t which) {
            return x.narrow(0, plan.sequences->starts[b], tokens)
                .narrow(1, which * hidden, hidden)
                .reshape({tokens, kHeads, hidden / kHeads})
                .transpose(0, 1);
        };
        at::Tensor mask = at::ones({kHeads, tokens, tokens});
        if (plan.p > 0) apply_dropout_mask(mask, mask, plan.stream(b));
        const at::Tensor scores =
            at::matmul(part(0), part(1).transpose(1, 2)) / std::sqrt(double(hidden / kHeads));
        outputs.push_back(
            at::matmul(scores.softmax(-1) * mask, part(2)).transpose(0, 1).reshape({tokens, hidden}));
    }
    return at::cat(outputs);
}

using Attention = at::Tensor (*)(const at::Tensor&, std::int64_t, const DropoutPlan&);

/// Output and gradient of `attention` over `x`, whose loss weighs the output by fixed random numbers.
std::pair<at::Tensor, at::Tensor> output_and_gradient(Attention attention, const at::Tensor& x,
                                                      const DropoutPlan& plan) {
    const at::Tensor leaf = x.detach().clone().set_requires_grad(true);
    const at::Tensor y = attention(leaf, kHeads, plan);
    at::manual_seed(2);
    (y * at::randn(y.sizes())).sum().backward();
    return {y.detach().to(at::kFloat), leaf.grad().to(at::kFloat)};
}

double relative_error(const at::Tensor& x, const at::Tensor& reference) {
    return (at::norm(x - reference) / at::norm(reference)).item<double>();
}

// Head sizes with and without kernels of their own, lengths around the kernels' tiles.
TEST(PackedAttention, IsTheTextbookFormulaAndItsGradient) {
    for (const std::int64_t head_size : {8, 16, 32, 64, 80}) {
        for (const double p : {0.0, 0.25}) {
            const DropoutPlan plan = plan_of({5, 9, 1, 16, 71, 24, 130}, p);
            const at::Tensor x = random_input(plan, head_size);
            const at::Tensor leaf = x.clone().set_requires_grad(true);
            const at::Tensor expected = textbook(leaf, plan);
            at::manual_seed(2);
            (expected * at::randn(expected.sizes())).sum().backward();
            for (const Attention attention : {&packed_attention, &plain_attention}) {
                const auto [y, gradient] = output_and_gradient(attention, x, plan);
                EXPECT_TRUE(at::allclose(y, expected, 1e-5, 2e-6)) << head_size << ", p = " << p;
                EXPECT_TRUE(at::allclose(gradient, leaf.grad(), 1e-4, 1e-5)) << head_size << ", p = " << p;
            }
        }
    }
}

TEST(PackedAttention, Bfloat16DiffersByItsRoundingAlone) {
    for (const std::int64_t head_size : {8, 32, 64}) {
        const DropoutPlan plan = plan_of({5, 9, 1, 71, 130}, 0.1);
        const at::Tensor x = random_input(plan, head_size).to(at::kBFloat16);
        const auto [expected, expected_gradient] =
            output_and_gradient(&plain_attention, x.to(at::kFloat), plan);
        for (const Attention attention : {&packed_attention, &plain_attention}) {
            const auto [y, gradient] = output_and_gradient(attention, x, plan);
            EXPECT_LT(relative_error(y, expected), 0.005) << head_size;
            EXPECT_LT(relative_error(gradient, expected_gradient), 0.01) << head_size;
        }
    }
}

TEST(PackedAttention, InferenceEqualsTrainingWithoutDropout) {
    for (const std::int64_t head_size : {8, 32}) {
        const DropoutPlan plan = plan_of({5, 9, 1, 14}, 0);
        const at::Tensor x = random_input(plan, head_size);
        const at::Tensor training = packed_attention(x.clone().set_requires_grad(true), kHeads, plan);
        const at::NoGradGuard no_gradients;
        EXPECT_TRUE(at::equal(packed_attention(x, kHeads, plan), training));
    }
}

TEST(PackedAttention, ASequenceDoesNotSeeItsNeighbours) {
    for (const std::int64_t head_size : {8, 32}) {
        const DropoutPlan plan = plan_of({5, 9}, 0);
        const at::Tensor x = random_input(plan, head_size);
        at::Tensor other = x.clone();
        other.narrow(0, 5, 9).normal_();
        const at::NoGradGuard no_gradients;
        const at::Tensor a = packed_attention(x, kHeads, plan);
        const at::Tensor b = packed_attention(other, kHeads, plan);
        EXPECT_TRUE(at::equal(a.narrow(0, 0, 5), b.narrow(0, 0, 5)));
        EXPECT_FALSE(at::equal(a.narrow(0, 5, 9), b.narrow(0, 5, 9)));
    }
}

TEST(PackedAttention, WhatIsNotFiniteStaysSo) {
    const DropoutPlan plan = plan_of({20}, 0);
    at::Tensor x = random_input(plan, 32);
    x[3][5] = std::nanf("");
    const at::Tensor y = packed_attention(x, kHeads, plan);
    EXPECT_TRUE(y[3].slice(0, 0, 32).isnan().all().item<bool>());
    EXPECT_TRUE(y[4].isfinite().all().item<bool>());
}

TEST(FlashAttention, HasKernelsForSomeHeadsOnSomeGpus) {
    EXPECT_TRUE(has_flash_attention(at::kBFloat16, 64, 80));
    EXPECT_TRUE(has_flash_attention(at::kBFloat16, 256, 90));
    EXPECT_FALSE(has_flash_attention(at::kFloat, 64, 90));
    EXPECT_FALSE(has_flash_attention(at::kBFloat16, 64, 75));  // before Ampere
    EXPECT_FALSE(has_flash_attention(at::kBFloat16, 20, 90));
    EXPECT_FALSE(has_flash_attention(at::kBFloat16, 264, 90));
    // Too little shared memory for the backward pass of larger heads.
    for (const int capability : {86, 89, 120}) {
        EXPECT_TRUE(has_flash_attention(at::kBFloat16, 192, capability));
        EXPECT_FALSE(has_flash_attention(at::kBFloat16, 200, capability));
    }
}

TEST(FlashAttention, IsNotTakenOnACpu) {
    EXPECT_FALSE(takes_flash_attention(at::kCPU, at::kBFloat16, 64));
}

}  // namespace
}  // namespace bv
