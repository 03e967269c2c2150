#include "core/progress.hpp"

#include <gmock/gmock.h>

#include "helpers/captured_log.hpp"

namespace bv {
namespace {

TEST(Progress, DurationsReadAsPeopleWriteThem) {
    EXPECT_EQ(duration_text(0), "0.0 s");
    EXPECT_EQ(duration_text(3.24), "3.2 s");
    EXPECT_EQ(duration_text(12), "0:12");
    EXPECT_EQ(duration_text(125), "2:05");
    EXPECT_EQ(duration_text(3599.6), "1:00:00");
    EXPECT_EQ(duration_text(5025), "1:23:45");
    EXPECT_EQ(duration_text(100 * 3600), "100:00:00");
}

TEST(Progress, DurationsJustBelowTenSecondsDoNotReadTenPointZero) {
    EXPECT_EQ(duration_text(9.99), "0:10");
}

TEST(Progress, ShortWorkPrintsOnlyItsClosingLine) {
    const CapturedLog log;
    Progress progress("reading", "features", 10);
    for (int i = 0; i < 10; ++i) progress.advance(1);
    EXPECT_EQ(log.text(), "");
    EXPECT_GE(progress.finish(), 0.0);
    EXPECT_THAT(log.text(), testing::HasSubstr("reading: 10 features"));
}

TEST(Progress, RatesHaveNoExponent) {
    const CapturedLog log;
    Progress progress("reading", "tokens", 1'000'000'000);
    progress.advance(1'000'000'000);
    progress.finish();
    EXPECT_THAT(log.text(), testing::ContainsRegex("[0-9]{5,} tokens/s"));
}

TEST(Progress, WhatIsLeftOutCountsInNoTime) {
    Progress progress("training", "steps", 10, /*quiet=*/true);
    progress.leave_out(100);
    progress.leave_out(20.5);
    EXPECT_NEAR(progress.seconds(), -120.5, 20);
}

TEST(Progress, AQuietOnePrintsNothing) {
    const CapturedLog log;
    Progress progress("reading", "features", 1, /*quiet=*/true);
    progress.advance(1);
    progress.finish();
    EXPECT_EQ(log.text(), "");
}

}  // namespace
}  // namespace bv
