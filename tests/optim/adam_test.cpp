#include "optim/adam.hpp"

#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "helpers/expect_error.hpp"

namespace bv {
namespace {

constexpr int kSteps = 20;
constexpr std::int64_t kCount = 100;

double rate_of(int step) {
    return 1e-2 / (1 + step % 3);
}

at::Tensor gradient_of(int step, std::int64_t count) {
    // From tiny (where epsilon rules) to large.
    const at::Tensor place = at::arange(count, at::kDouble);
    return (at::pow(10.0, place * (8.0 / static_cast<double>(count)) - 8.0) * at::cos(place + step))
        .to(at::kFloat);
}

/// The update of one weight as the papers and frameworks write it, in doubles.
class Reference {
  public:
    Reference(const AdamOptions& options, double decay, double value)
        : options_(options), decay_(decay), value_(value) {}

    void step(double gradient, double rate) {
        ++steps_;
        if (options_.kind == AdamKind::adam) gradient += decay_ * value_;
        if (options_.kind == AdamKind::adamw) value_ *= 1 - rate * decay_;
        mean_ = options_.beta1 * mean_ + (1 - options_.beta1) * gradient;
        square_ = options_.beta2 * square_ + (1 - options_.beta2) * gradient * gradient;
        const double correction1 = 1 - std::pow(options_.beta1, steps_);
        const double correction2 = 1 - std::pow(options_.beta2, steps_);
        if (options_.epsilon_kind == EpsilonKind::torch) {
            value_ -= rate * (mean_ / correction1) / (std::sqrt(square_ / correction2) + options_.epsilon);
        } else {
            const double corrected_rate = rate * std::sqrt(correction2) / correction1;
            value_ -= corrected_rate * mean_ / (std::sqrt(square_) + options_.epsilon);
        }
    }

    double value() const { return value_; }

  private:
    AdamOptions options_;
    double decay_;
    double value_;
    double mean_ = 0;
    double square_ = 0;
    int steps_ = 0;
};

struct Case {
    AdamKind kind;
    EpsilonKind epsilon_kind;
    double epsilon;
    double weight_decay;
};

class AdamTest : public testing::TestWithParam<Case> {};

TEST_P(AdamTest, FollowsTheDoublePrecisionReferenceInBothSegments) {
    AdamOptions options;
    options.kind = GetParam().kind;
    options.epsilon_kind = GetParam().epsilon_kind;
    options.epsilon = GetParam().epsilon;
    options.weight_decay = GetParam().weight_decay;
    const at::Tensor decayed = at::linspace(-1, 1, kCount, at::kFloat).view({10, 10});
    const at::Tensor plain = at::linspace(-2, 1, kCount, at::kFloat);
    std::vector<Reference> references;
    for (std::int64_t i = 0; i < kCount; ++i) {
        references.emplace_back(options, options.weight_decay, decayed.view({-1})[i].item<double>());
    }
    for (std::int64_t i = 0; i < kCount; ++i) references.emplace_back(options, 0.0, plain[i].item<double>());

    FlatParameters flat({plain, decayed}, {false, true});
    Adam adam(flat, options);
    for (int step = 0; step < kSteps; ++step) {
        const at::Tensor gradient = gradient_of(step, kCount);
        plain.grad().copy_(gradient);
        decayed.grad().copy_(gradient.view({10, 10}));
        adam.step({rate_of(step)});
        for (std::int64_t i = 0; i < kCount; ++i) {
            const double g = gradient[i].item<double>();
            references[static_cast<std::size_t>(i)].step(g, rate_of(step));
            references[static_cast<std::size_t>(kCount + i)].step(g, rate_of(step));
        }
    }
    EXPECT_EQ(adam.steps(), kSteps);
    for (std::int64_t i = 0; i < kCount; ++i) {
        EXPECT_NEAR(decayed.view({-1})[i].item<double>(), references[static_cast<std::size_t>(i)].value(),
                    2e-6)
            << i;
        EXPECT_NEAR(plain[i].item<double>(), references[static_cast<std::size_t>(kCount + i)].value(), 2e-6)
            << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Kinds, AdamTest,
                         testing::Values(Case{AdamKind::adamw, EpsilonKind::torch, 1e-8, 0.1},
                                         Case{AdamKind::adamw, EpsilonKind::keras, 1e-7, 0.1},
                                         Case{AdamKind::adam, EpsilonKind::torch, 1e-8, 0.1},
                                         Case{AdamKind::adam, EpsilonKind::keras, 1e-7, 0.0},
                                         Case{AdamKind::adam, EpsilonKind::keras, 1e-4, 0.0}));

/// The values after kSteps updates of a parameter that stands behind `before` others.
at::Tensor trained(int before, int interruption = -1) {
    const at::Tensor parameter = at::linspace(-1, 1, kCount, at::kFloat);
    std::vector<at::Tensor> parameters;
    for (int i = 0; i < before; ++i) parameters.push_back(at::ones({7 + i}));
    parameters.push_back(parameter);
    FlatParameters flat(parameters, std::vector<bool>(parameters.size(), true));
    AdamOptions options;
    options.weight_decay = 0.01;
    auto adam = std::make_unique<Adam>(flat, options);
    for (int step = 0; step < kSteps; ++step) {
        if (step == interruption) {
            auto resumed = std::make_unique<Adam>(flat, options);
            resumed->set_steps(adam->steps());
            resumed->restore(0, adam->first_moments(), adam->second_moments());
            adam = std::move(resumed);
        }
        parameter.grad().copy_(gradient_of(step, kCount));
        adam->step({rate_of(step)});
    }
    return parameter.detach().clone();
}

TEST(Adam, BitsDoNotDependOnTheOtherParameters) {
    EXPECT_TRUE(trained(0).equal(trained(1)));
    EXPECT_TRUE(trained(0).equal(trained(5)));
}

TEST(Adam, ARestoredStateContinuesToTheSameBits) {
    EXPECT_TRUE(trained(0).equal(trained(0, /*interruption=*/7)));
}

TEST(Adam, RowsAreModelsOfTheirOwnAtRatesOfTheirOwn) {
    const std::vector<double> rates{1e-2, 1e-3, 1e-2};
    const at::Tensor values = at::linspace(-1, 1, 3 * kCount, at::kFloat).view({3, kCount});
    const at::Tensor parameter = values.clone();
    FlatParameters flat({parameter}, {true}, std::numeric_limits<std::int64_t>::max(), 3);
    Adam adam(flat, {});
    for (int step = 0; step < kSteps; ++step) {
        parameter.grad().copy_(gradient_of(step, 3 * kCount).view({3, kCount}));
        adam.step(rates);
    }
    for (std::int64_t row = 0; row < 3; ++row) {
        const at::Tensor alone = values[row].clone();
        FlatParameters own({alone}, {true});
        Adam adam_of_row(own, {});
        for (int step = 0; step < kSteps; ++step) {
            alone.grad().copy_(gradient_of(step, 3 * kCount).view({3, kCount})[row]);
            adam_of_row.step({rates[static_cast<std::size_t>(row)]});
        }
        EXPECT_TRUE(parameter[row].equal(alone)) << row;
    }
}

TEST(Adam, WhatLiesBetweenParametersStaysZero) {
    const at::Tensor parameter = at::ones({3});
    FlatParameters flat({parameter}, {true});
    AdamOptions options;
    options.weight_decay = 0.1;
    Adam adam(flat, options);
    parameter.grad().fill_(1);
    adam.step({0.1});
    EXPECT_EQ(flat.values().narrow(0, 3, 61).abs().sum().item<float>(), 0);
}

TEST(Adam, GradientsThatLeftTheBufferAreABrokenContract) {
    at::Tensor parameter = at::ones({3});
    FlatParameters flat({parameter}, {true});
    Adam adam(flat, {});
    parameter.mutable_grad() = at::ones({3});
    EXPECT_THROW(adam.step({0.1}), std::logic_error);
}

TEST(Adam, NamesAreRead) {
    EXPECT_EQ(parse<AdamKind>("adam"), AdamKind::adam);
    EXPECT_EQ(parse<AdamKind>("adamw"), AdamKind::adamw);
    EXPECT_EQ(parse<EpsilonKind>("torch"), EpsilonKind::torch);
    EXPECT_EQ(parse<EpsilonKind>("keras"), EpsilonKind::keras);
    BV_EXPECT_ERROR(parse<AdamKind>("sgd"), "'sgd'", "adam, adamw");
    BV_EXPECT_ERROR(parse<EpsilonKind>("jax"), "'jax'", "keras, torch");
}

}  // namespace
}  // namespace bv
