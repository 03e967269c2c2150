#include "squad/scoring/probabilities.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "helpers/sample_features.hpp"

namespace bv {
namespace {

class Probabilities : public ::testing::Test {
  protected:
    Probabilities() {
        sample_.add("x", 3, {}, {{0, 2}, {1, 3}});
        first_ = sample_.logits();
        second_ = sample_.logits();
        for (std::size_t i = 0; i < first_.start.size(); ++i) {
            const auto x = static_cast<float>(i);
            first_.start[i] = std::sin(x) * 3;
            first_.end[i] = std::cos(x) * 2;
            second_.start[i] = std::cos(2 * x) + 40;  // a softmax does not see the shift
            second_.end[i] = -x;
        }
    }

    SampleFeatures sample_;
    SpanLogits first_;
    SpanLogits second_;
};

TEST_F(Probabilities, SumToOneInEveryWindow) {
    const SpanLogits logs = log_softmax(sample_.features(), first_);
    for (std::size_t f = 0; f < 2; ++f) {
        double sum = 0;
        for (std::int64_t i = sample_.features().starts[f]; i < sample_.features().starts[f + 1]; ++i) {
            sum += std::exp(logs.start[static_cast<std::size_t>(i)]);
        }
        EXPECT_NEAR(sum, 1, 1e-6);
    }
}

TEST_F(Probabilities, AreCombinedPositionByPosition) {
    const std::vector<SpanLogits> models{first_, second_};
    const SpanLogits a = log_softmax(sample_.features(), first_);
    const SpanLogits b = log_softmax(sample_.features(), second_);
    const SpanLogits max = combine(sample_.features(), models, Combine::max);
    const SpanLogits mean = combine(sample_.features(), models, Combine::mean);
    for (std::size_t i = 0; i < a.start.size(); ++i) {
        EXPECT_EQ(max.start[i], std::max(a.start[i], b.start[i]));
        EXPECT_NEAR(std::exp(mean.end[i]), (std::exp(a.end[i]) + std::exp(b.end[i])) / 2, 1e-6);
    }
}

TEST_F(Probabilities, OfAModelWithItselfAreItsOwn) {
    const std::vector<SpanLogits> models{second_, second_};
    const SpanLogits own = log_softmax(sample_.features(), second_);
    for (const Combine how : {Combine::max, Combine::mean}) {
        const SpanLogits both = combine(sample_.features(), models, how);
        for (std::size_t i = 0; i < own.start.size(); ++i) EXPECT_NEAR(both.start[i], own.start[i], 1e-5);
    }
}

TEST_F(Probabilities, OfClassesAreCombinedPairByPair) {
    const std::vector<ClassLogits> models{{"", {0, 2, 5, 5}}, {"", {1, 0, 0, 9}}};
    const ClassLogits max = combine(models, Combine::max);
    EXPECT_NEAR(max.logits[0], std::log(1 / (1 + std::exp(-1.0))), 1e-6);
    EXPECT_NEAR(max.logits[2], std::log(0.5), 1e-6);
}

TEST(Combine, IsNamed) {
    EXPECT_EQ(parse<Combine>("mean"), Combine::mean);
    EXPECT_THROW(parse<Combine>("sum"), Error);
}

}  // namespace
}  // namespace bv
