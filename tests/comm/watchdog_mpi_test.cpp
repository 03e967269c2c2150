#include <atomic>
#include <chrono>

#include <gmock/gmock.h>

#include "comm/communicator.hpp"
#include "comm/watchdog.hpp"
#include "core/stopwatch.hpp"

// What a watchdog does to ranks that hang ends their processes: guard_test.py sees it from outside.

namespace bv {
namespace {

/// Counts this rank's beats: the watchdog asks at each.
class Beats {
  public:
    void wait_for(int count) const {
        for (int seen = beats_; seen < count; seen = beats_) beats_.wait(seen);
    }
    int count() const { return beats_; }

  private:
    std::atomic<int> beats_ = 0;
    const Watched watched_{[this] {
        ++beats_;
        beats_.notify_all();
        return std::string();
    }};
};

class WatchdogTest : public testing::Test {
  protected:
    const Communicator ranks_;
    const Stopwatch clock_;
};

TEST_F(WatchdogTest, ItEndsAtOnceAndLeavesNoMessageBehind) {
    for (int round = 0; round < 100; ++round) {
        const Watchdog watchdog;
        if (round % 2 == 0) ranks_.barrier();
    }
    EXPECT_LT(clock_.seconds(), 20);
    ranks_.barrier();
    int come = 0;
    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &come, MPI_STATUS_IGNORE);
    EXPECT_EQ(come, 0);
}

TEST_F(WatchdogTest, CollectivesBesideItGiveWhatTheyGiveWithoutIt) {
    const Watchdog watchdog;
    const Beats beats;
    // One rank alone has no watchdog's thread.
    const int last = ranks_.size() > 1 ? 4 : 0;
    for (bool done = false; !done; done = ranks_.max(beats.count() < last ? 1 : 0) == 0) {
        EXPECT_EQ(ranks_.sum(std::int64_t{ranks_.rank()}), ranks_.size() * (ranks_.size() - 1) / 2);
    }
}

TEST_F(WatchdogTest, ItsEndWaitsForRanksThatComeLate) {
    // Ranks of a test share a host, and so its steady clock.
    const auto now = [] { return std::chrono::steady_clock::now().time_since_epoch().count(); };
    if (ranks_.size() == 1) return;
    for (int late = 0; late < ranks_.size(); ++late) {
        std::int64_t came = 0;
        {
            const Watchdog watchdog;
            const Beats beats;
            ranks_.barrier();
            if (ranks_.rank() == late) beats.wait_for(2);
            came = now();
        }
        const std::int64_t ended = now();
        EXPECT_GE(ended, std::stoll(ranks_.broadcast(std::to_string(came), late)));
    }
}

TEST_F(WatchdogTest, ItAsksWhatIsWrongAsLongAsItIsWatched) {
    if (ranks_.size() == 1) return;
    std::atomic<int> asked = 0;
    const Watchdog watchdog;
    const Beats beats;
    {
        const Watched watched([&] {
            ++asked;
            return std::string();
        });
        const Beats others;
        others.wait_for(2);
        EXPECT_GE(asked, 2);
    }
    const int at_end = asked;
    beats.wait_for(beats.count() + 2);
    EXPECT_EQ(asked, at_end);
}

}  // namespace
}  // namespace bv
