#include "comm/heartbeats.hpp"

#include <string>

#include <gmock/gmock.h>

namespace bv {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr double kTimeout = 60;

Beat beat(std::int64_t reports, bool waiting = false, bool last = false) {
    Beat made({reports, waiting, "fine-tuning: 17 of 60 steps, backward"});
    made.last = last;
    return made;
}

/// What rank 0 of 4 knows.
class HeartbeatsTest : public testing::Test {
  protected:
    void SetUp() override {
        for (const int rank : {0, 1, 2, 3}) all_.hear(rank, beat(1));
    }

    /// `seconds` in which the ranks named send beats with a `reports` that grows where `working`.
    void live(int seconds, const std::vector<int>& ranks, bool working = true, bool waiting = false) {
        for (int second = 0; second < seconds; ++second) {
            if (working) ++reports_;
            for (const int rank : ranks) all_.hear(rank, beat(reports_, waiting));
            all_.pass(1);
        }
    }

    Heartbeats all_{0, 4};
    std::int64_t reports_ = 1;
};

TEST_F(HeartbeatsTest, RanksWhoseBeatsGoOnAreNotHung) {
    live(10000, {0, 1, 2, 3});
    EXPECT_EQ(all_.complaint(kTimeout), "");
}

TEST_F(HeartbeatsTest, ASilentRankIsNamedWithHostAndPlaceFromTheTimeoutOn) {
    live(60, {0, 1, 3});
    EXPECT_EQ(all_.complaint(kTimeout), "");
    live(1, {0, 1, 3});
    const std::string host = beat(0).host;
    EXPECT_EQ(all_.complaint(kTimeout), "hung: rank 2 of 4 (host " + host +
                                            "): no sign for 61 s, last in fine-tuning: 17 of 60 steps, "
                                            "backward; seen by rank 0");
}

TEST_F(HeartbeatsTest, OneBeatEndsASilence) {
    live(60, {0, 1, 3});
    live(1, {0, 1, 2, 3});
    live(59, {0, 1, 3});
    EXPECT_EQ(all_.complaint(kTimeout), "");
}

TEST_F(HeartbeatsTest, RanksThatFallSilentTogetherAreNamedTogether) {
    live(1, {0, 1, 2});
    live(60, {0, 1});
    EXPECT_THAT(all_.complaint(kTimeout), HasSubstr("rank 2 of 4"));
    EXPECT_THAT(all_.complaint(kTimeout), HasSubstr("rank 3 of 4"));
    EXPECT_THAT(all_.complaint(kTimeout), Not(HasSubstr("rank 1 of 4")));
}

TEST_F(HeartbeatsTest, ARankNeverHeardIsNamed) {
    Heartbeats fresh(1, 2);
    fresh.pass(61);
    EXPECT_EQ(fresh.complaint(kTimeout),
              "hung: rank 0 of 2: no sign for 61 s, since the start; seen by rank 1");
}

TEST_F(HeartbeatsTest, ARankThatHasEndedMayBeSilent) {
    for (const int rank : {1, 2}) all_.hear(rank, beat(2, true, true));
    live(200, {0, 3});
    EXPECT_EQ(all_.complaint(kTimeout), "");
    EXPECT_FALSE(all_.all_ended());
    EXPECT_TRUE(all_.has_ended(1));
    EXPECT_FALSE(all_.has_ended(3));
    all_.hear(3, beat(3, true, true));
    EXPECT_TRUE(all_.all_ended());
}

TEST_F(HeartbeatsTest, OfRanksThatStandStillThoseThatDoNotWaitAreNamed) {
    all_.hear(0, beat(5, true));
    all_.hear(2, beat(4, false));
    for (int second = 0; second < Heartbeats::kPatience * kTimeout; ++second) {
        EXPECT_EQ(all_.complaint(kTimeout), "") << second;
        for (const int rank : {0, 1, 3}) all_.hear(rank, beat(5, true));
        all_.hear(2, beat(4, false));
        all_.pass(1);
    }
    const std::string line = all_.complaint(kTimeout);
    EXPECT_THAT(line, HasSubstr("rank 2 of 4"));
    EXPECT_THAT(line, HasSubstr("alive, but no progress for 600 s, in fine-tuning"));
    for (const char* other : {"rank 0 of 4", "rank 1 of 4", "rank 3 of 4"}) {
        EXPECT_THAT(line, Not(HasSubstr(other)));
    }
}

TEST_F(HeartbeatsTest, ProgressOfAnyRankIsNoStandstill) {
    for (int minute = 0; minute < 1000; ++minute) {
        live(60, {0, 1, 3}, /*working=*/false, /*waiting=*/true);
        all_.hear(2, beat(100 + minute));
        EXPECT_EQ(all_.complaint(1000), "");
    }
}

TEST_F(HeartbeatsTest, RanksThatAllWaitForEachOtherAreTold) {
    live(59, {0, 1, 2, 3}, /*working=*/false, /*waiting=*/true);
    EXPECT_EQ(all_.complaint(kTimeout), "");
    live(1, {0, 1, 2, 3}, /*working=*/false, /*waiting=*/true);
    EXPECT_THAT(all_.complaint(kTimeout), HasSubstr("all 4 ranks: each waits for others for 60 s"));
}

TEST_F(HeartbeatsTest, AStoppedRankThatWaitedIsNamedByItsSilence) {
    live(10, {0, 1, 2, 3}, /*working=*/false, /*waiting=*/true);
    live(61, {0, 1, 3}, /*working=*/false, /*waiting=*/true);
    EXPECT_THAT(all_.complaint(kTimeout), HasSubstr("rank 2 of 4"));
    EXPECT_THAT(all_.complaint(kTimeout), HasSubstr("no sign for 62 s"));
    EXPECT_THAT(all_.complaint(kTimeout), Not(HasSubstr("all 4 ranks")));
}

TEST_F(HeartbeatsTest, ALongActivityIsCut) {
    EXPECT_EQ(std::string(Beat({1, false, std::string(1000, 'x')}).doing), std::string(127, 'x'));
}

}  // namespace
}  // namespace bv
