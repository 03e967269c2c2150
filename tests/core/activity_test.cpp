#include "core/activity.hpp"

#include <gmock/gmock.h>

#include "core/progress.hpp"
#include "helpers/captured_log.hpp"

namespace bv {
namespace {

TEST(Activity, WorkIsToldWithItsPhaseUntilItAdvances) {
    report_work("fine-tuning: 17 of 60 steps");
    EXPECT_EQ(activity().text, "fine-tuning: 17 of 60 steps");
    report_phase("forward");
    report_phase("backward");
    EXPECT_EQ(activity().text, "fine-tuning: 17 of 60 steps, backward");
    report_work("fine-tuning: 18 of 60 steps");
    EXPECT_EQ(activity().text, "fine-tuning: 18 of 60 steps");
}

TEST(Activity, EveryReportCountsAndLookingDoesNot) {
    const std::int64_t before = activity().reports;
    report_phase("forward");
    report_phase("forward");
    EXPECT_EQ(activity().reports, before + 2);
    EXPECT_EQ(activity().reports, before + 2);
}

TEST(Activity, WaitingLastsAsLongAsItsObjectAndBothEndsAreReports) {
    const std::int64_t before = activity().reports;
    {
        const Waiting waiting;
        EXPECT_TRUE(activity().waiting);
    }
    EXPECT_FALSE(activity().waiting);
    EXPECT_EQ(activity().reports, before + 2);
}

void some_collective() {
    const Waiting waiting;
}

TEST(Activity, TheLogNamesTheCollectiveCallThatWaits) {
    const CapturedLog log;
    some_collective();
    EXPECT_THAT(log.text(), testing::ContainsRegex("enters .*some_collective.*activity_test.cpp"));
}

TEST(Activity, ProgressReportsOnQuietRanksToo) {
    Progress progress("extracting", "features", 20, /*quiet=*/true);
    EXPECT_EQ(activity().text, "extracting: 0 of 20 features");
    progress.advance(8);
    EXPECT_EQ(activity().text, "extracting: 8 of 20 features");
}

TEST(Activity, WorkIsReportedAgainAfterOtherWorkWithinIt) {
    Progress outer("fine-tuning", "steps", 60, /*quiet=*/true);
    { const Progress inner("predicting", "features", 20, /*quiet=*/true); }
    outer.leave_out(1);
    EXPECT_EQ(activity().text, "fine-tuning: 0 of 60 steps");
}

}  // namespace
}  // namespace bv
