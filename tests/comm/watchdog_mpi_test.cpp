#include <atomic>
#include <chrono>
#include <thread>

#include <gmock/gmock.h>

#include "comm/communicator.hpp"
#include "comm/watchdog.hpp"

// What a watchdog does to ranks that hang ends their processes: guard_test.py sees it from outside.

namespace bv {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class WatchdogTest : public testing::Test {
  protected:
    double seconds_since_start() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
    }

    const Communicator ranks_;
    const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

TEST_F(WatchdogTest, ItEndsAtOnceAndLeavesNoMessageBehind) {
    for (int round = 0; round < 100; ++round) {
        const Watchdog watchdog;
        if (round % 2 == 0) ranks_.barrier();
    }
    EXPECT_LT(seconds_since_start(), 20);
    ranks_.barrier();
    int come = 0;
    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &come, MPI_STATUS_IGNORE);
    EXPECT_EQ(come, 0);
}

TEST_F(WatchdogTest, CollectivesBesideItGiveWhatTheyGiveWithoutIt) {
    const Watchdog watchdog;
    while (ranks_.max(seconds_since_start()) < 2) {
        EXPECT_EQ(ranks_.sum(std::int64_t{ranks_.rank()}), ranks_.size() * (ranks_.size() - 1) / 2);
    }
}

TEST_F(WatchdogTest, ItsEndWaitsForRanksThatComeLate) {
    for (int late = 0; late < ranks_.size(); ++late) {
        const auto began = std::chrono::steady_clock::now();
        {
            const Watchdog watchdog;
            ranks_.barrier();
            if (ranks_.rank() == late) std::this_thread::sleep_for(milliseconds(700));
        }
        if (ranks_.size() == 1) continue;
        EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(690));
    }
}

TEST_F(WatchdogTest, ItAsksWhatIsWrongAsLongAsItIsWatched) {
    std::atomic<int> asked = 0;
    const auto count = [&] {
        ++asked;
        return std::string();
    };
    const Watchdog watchdog;
    {
        const Watched watched(count);
        const Watched other(count);
        std::this_thread::sleep_for(seconds(2));
    }
    const int at_end = asked;
    EXPECT_EQ(at_end >= 4, ranks_.size() > 1) << at_end;
    std::this_thread::sleep_for(seconds(1));
    EXPECT_EQ(asked, at_end);
}

}  // namespace
}  // namespace bv
