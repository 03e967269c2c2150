#include "optim/epoch.hpp"

#include <set>

#include <gmock/gmock.h>

#include "helpers/expect_error.hpp"

namespace bv {
namespace {

std::vector<std::string> labels(const std::string& plan) {
    std::vector<std::string> found;
    for (const EpochFraction& fraction : parse_checkpoints(plan)) found.push_back(fraction.label());
    return found;
}

TEST(EpochFraction, EveryFormReadsAsTheSameReducedFraction) {
    for (const char* text : {"0.3", "0.30", "00.3", "3/10", "6/20", " 0.3 "}) {
        EXPECT_EQ(EpochFraction::parse(text), EpochFraction(3, 10)) << text;
    }
    for (const char* text : {"1", "1.0", "7/7"})
        EXPECT_EQ(EpochFraction::parse(text), EpochFraction(1, 1)) << text;
    for (const char* text : {"0", "0.000", "0/9"})
        EXPECT_EQ(EpochFraction::parse(text), EpochFraction()) << text;
}

TEST(EpochFraction, NamesAreExact) {
    EXPECT_EQ(EpochFraction(3, 10).text(), "3/10");
    EXPECT_EQ(EpochFraction(3, 10).label(), "0.3");
    EXPECT_EQ(EpochFraction(3, 10).folder_name(), "epoch-0.3");
    EXPECT_EQ(EpochFraction(6, 1).text(), "6");
    EXPECT_EQ(EpochFraction(6, 1).folder_name(), "epoch-6");
    EXPECT_EQ(EpochFraction(0, 5).folder_name(), "epoch-0");
    EXPECT_EQ(EpochFraction(1, 3).text(), "1/3");
    EXPECT_EQ(EpochFraction(1, 3).folder_name(), "epoch-1_3");
    EXPECT_EQ(EpochFraction(13, 4).label(), "3.25");
    EXPECT_EQ(EpochFraction(1, 1000).label(), "0.001");
    EXPECT_EQ(EpochFraction(1, 1 << 20).label(), "1_1048576");  // 20 decimals would be exact, and no name
}

TEST(EpochFraction, ItsTextReadsBackAndDifferentFractionsHaveDifferentLabels) {
    std::set<std::string> seen;
    std::set<std::pair<std::int64_t, std::int64_t>> fractions;
    for (std::int64_t numerator = 0; numerator < 60; ++numerator) {
        for (std::int64_t denominator = 1; denominator < 60; ++denominator) {
            const EpochFraction fraction(numerator, denominator);
            EXPECT_EQ(EpochFraction::parse(fraction.text()), fraction);
            seen.insert(fraction.label());
            fractions.insert({fraction.numerator(), fraction.denominator()});
        }
    }
    EXPECT_EQ(seen.size(), fractions.size());
}

TEST(EpochFraction, WhatIsNoFractionIsAnErrorThatNamesIt) {
    for (const char* text : {"",
                             " ",
                             "-1",
                             "+1",
                             "0,3",
                             ".3",
                             "3.",
                             "1e-1",
                             "1/0",
                             "0/0",
                             "3/",
                             "/3",
                             "1/2/3",
                             "0.3.1",
                             "nan",
                             "one",
                             "0x1",
                             "1234567890",
                             "0.1234567891",
                             "0.000000001",
                             "1 2",
                             "100000000.123456789"}) {
        BV_EXPECT_ERROR(EpochFraction::parse(text), std::string("'") + text + "'", "3/10");
    }
}

TEST(EpochFraction, OrderIsThatOfTheNumbers) {
    EXPECT_LT(EpochFraction(1, 3), EpochFraction(34, 100));
    EXPECT_GT(EpochFraction(1, 3), EpochFraction(33, 100));
    EXPECT_LT(EpochFraction(999'999'997, 999'999'998), EpochFraction(999'999'998, 999'999'999));
    EXPECT_EQ(EpochFraction(2, 6) <=> EpochFraction(1, 3), std::strong_ordering::equal);
}

TEST(EpochFraction, AStepIsTheCeilingAndNeverOffByARounding) {
    EXPECT_EQ(EpochFraction().step(1000), 0);
    EXPECT_EQ(EpochFraction(1, 1).step(1000), 1000);
    EXPECT_EQ(EpochFraction(1, 10).step(1001), 101);
    EXPECT_EQ(EpochFraction(6, 1).step(32978), 6 * 32978);
    EXPECT_EQ(EpochFraction(1, 3).step(3), 1);
    EXPECT_EQ(EpochFraction(1, 3).step(4), 2);
    // In doubles 0.1 + 0.2 and 0.3 x 10 x k overshoot: ceil gives one step too many.
    EpochFraction tenths;
    for (std::int64_t k = 1; k <= 100; ++k) {
        tenths = tenths + EpochFraction::parse("0.1");
        EXPECT_EQ(tenths.step(10), k);
    }
    EXPECT_EQ(EpochFraction(999'999'999, 1).step(999'999'999), 999'999'998'000'000'001);
}

TEST(ParseCheckpoints, TheReferencesPlanHasSixteenCheckpoints) {
    EXPECT_THAT(labels("0,0.1:0.9:0.1,1:6:1"),
                testing::ElementsAre("0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1",
                                     "2", "3", "4", "5", "6"));
}

TEST(ParseCheckpoints, PlansAreSortedAndEachIsOnce) {
    EXPECT_THAT(labels("3, 1, 0.5, 2/2, 1/2"), testing::ElementsAre("0.5", "1", "3"));
    EXPECT_THAT(labels("0.1:0.3:0.1,0.2:0.4:0.1"), testing::ElementsAre("0.1", "0.2", "0.3", "0.4"));
    EXPECT_THAT(labels("1/3:1:1/3"), testing::ElementsAre("1_3", "2_3", "1"));
    EXPECT_THAT(labels("2:2:1"), testing::ElementsAre("2"));
}

TEST(ParseCheckpoints, AWrongPlanIsAnErrorThatNamesTheItem) {
    BV_EXPECT_ERROR(parse_checkpoints(""), "empty");
    BV_EXPECT_ERROR(parse_checkpoints("1,,2"), "'1,,2'", "empty");
    BV_EXPECT_ERROR(parse_checkpoints("1,"), "empty");
    BV_EXPECT_ERROR(parse_checkpoints("1,two"), "'two'");
    BV_EXPECT_ERROR(parse_checkpoints("1:2"), "'1:2'", "first:last:step");
    BV_EXPECT_ERROR(parse_checkpoints("1:2:1:1"), "'1:2:1:1'");
    BV_EXPECT_ERROR(parse_checkpoints("1:6:0"), "'1:6:0'", "step");
    BV_EXPECT_ERROR(parse_checkpoints("6:1:1"), "'6:1:1'", "ends before it starts");
    BV_EXPECT_ERROR(parse_checkpoints("1:6:2"), "'1:6:2'", "steps past its end");
    BV_EXPECT_ERROR(parse_checkpoints("0:1:0.000001"), "more than 10000");
    BV_EXPECT_ERROR(parse_checkpoints("0:1:1/999999999,1/999999998"), "more than 10000");
    BV_EXPECT_ERROR(parse_checkpoints("1/999999937:1:1/999999929"), "'1/999999937:1:1/999999929'",
                    "no fraction of numbers up to 999999999");
}

}  // namespace
}  // namespace bv
