#include "squad/scoring/paired_bootstrap.hpp"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace bv {
namespace {

/// Records of a span model whose answers are right with a chance of `right` in each context, which has
/// `questions` questions. Every answer of a context is as right as its others in a share `together` of the
/// contexts.
QuestionRecords made_up(std::uint64_t seed, double right, int contexts, int questions, double together = 0) {
    std::mt19937_64 random(seed);
    const auto chance = [&] { return static_cast<double>(random() >> 11) / std::ldexp(1, 53); };
    std::vector<std::int32_t> context;
    std::vector<std::uint8_t> exact;
    std::vector<float> f1;
    QuestionRecords records;
    for (std::int32_t c = 0; c < contexts; ++c) {
        const bool all = chance() < together;
        const double value = chance();
        for (int q = 0; q < questions; ++q) {
            records.ids.push_back(std::to_string(records.ids.size()));
            context.push_back(c);
            exact.push_back((all ? value : chance()) < right ? 1 : 0);
            f1.push_back(exact.back() == 1 ? 1 : 0.5F);
        }
    }
    const std::size_t count = records.ids.size();
    records.columns = {{"context", context},
                       {"answerable", std::vector<std::uint8_t>(count, 1)},
                       {"null_odds", std::vector<float>(count, -1)},
                       {"exact", exact},
                       {"f1", f1}};
    return records;
}

TEST(PairedBootstrap, OfASystemAgainstItselfIsNoise) {
    const QuestionRecords one = made_up(1, 0.7, 50, 4);
    const PairedComparison found = paired_bootstrap(one, one);
    EXPECT_EQ(found.questions, 200);
    EXPECT_EQ(found.contexts, 50);
    EXPECT_EQ(found.exact.difference(), 0);
    EXPECT_EQ(found.exact.low, 0);
    EXPECT_EQ(found.exact.high, 0);
    EXPECT_EQ(found.f1.p, 1);
    EXPECT_TRUE(found.f1.in_noise());
}

TEST(PairedBootstrap, ALargeDifferenceIsNoNoiseAndHasASign) {
    const QuestionRecords poor = made_up(1, 0.4, 200, 5);
    const QuestionRecords good = made_up(2, 0.7, 200, 5);
    const PairedComparison found = paired_bootstrap(poor, good);
    EXPECT_NEAR(found.exact.difference(), 30, 5);
    EXPECT_GT(found.exact.low, 20);
    EXPECT_FALSE(found.exact.in_noise());
    EXPECT_DOUBLE_EQ(found.exact.p, 2.0 / (kResamples + 1));
    EXPECT_NEAR(found.f1.difference(), found.exact.difference() / 2, 1e-9);
    const PairedComparison turned = paired_bootstrap(good, poor);
    EXPECT_DOUBLE_EQ(turned.exact.low, -found.exact.high);
    EXPECT_DOUBLE_EQ(turned.exact.high, -found.exact.low);
}

TEST(PairedBootstrap, TheIntervalOfIndependentQuestionsIsThatOfTheNormalLaw) {
    const QuestionRecords a = made_up(3, 0.5, 2000, 1);
    const QuestionRecords b = made_up(4, 0.5, 2000, 1);
    const PairedComparison found = paired_bootstrap(a, b);
    // Each difference of two answers has the variance 1/4 + 1/4.
    EXPECT_NEAR(found.exact.high - found.exact.low, 2 * 1.96 * 100 * std::sqrt(0.5 / 2000), 0.3);
}

TEST(PairedBootstrap, QuestionsOnOneParagraphCountAsOneWhereTheyGoTogether) {
    const auto width = [](double together) {
        const PairedComparison found =
            paired_bootstrap(made_up(5, 0.5, 400, 9, together), made_up(6, 0.5, 400, 9, together));
        return found.exact.high - found.exact.low;
    };
    EXPECT_NEAR(width(1) / width(0), 3, 0.3);  // the root of 9
}

TEST(PairedBootstrap, AnAnswerOfNoneIsRightWhereThereIsNone) {
    QuestionRecords a = made_up(1, 0, 4, 1);
    QuestionRecords b = a;
    a.null_threshold = b.null_threshold = 2;
    b.columns["null_odds"] = std::vector<float>{3, 3, 2, 1};
    a.columns["answerable"] = b.columns["answerable"] = std::vector<std::uint8_t>{0, 1, 0, 1};
    const PairedComparison found = paired_bootstrap(a, b);
    EXPECT_EQ(found.exact.a, 0);
    EXPECT_EQ(found.exact.b, 25);
    EXPECT_EQ(found.f1.a, 50);
    EXPECT_EQ(found.f1.b, 50);
}

TEST(PairedBootstrap, TheF1OfAClassifierIsThatOfItsCounts) {
    QuestionRecords a;
    a.task = Task::classification;
    a.ids = {"1", "2", "3", "4"};
    a.columns = {{"context", std::vector<std::int32_t>{7, 7, 8, 9}},
                 {"answerable", std::vector<std::uint8_t>{0, 0, 1, 1}},
                 {"none_probability", std::vector<float>{0.9F, 0.5F, 0.8F, 0.1F}}};
    QuestionRecords b = a;
    b.columns["none_probability"] = std::vector<float>{0.9F, 0.9F, 0.1F, 0.1F};
    const PairedComparison found = paired_bootstrap(a, b);
    EXPECT_EQ(found.contexts, 3);
    EXPECT_EQ(found.exact.a, 50);
    EXPECT_EQ(found.f1.a, 50);  // 1 right of 2 said, of 2 true
    EXPECT_EQ(found.exact.b, 100);
    EXPECT_EQ(found.f1.b, 100);
}

}  // namespace
}  // namespace bv
