#include "core/parallel.hpp"

#include <atomic>
#include <stdexcept>
#include <vector>

#include <gmock/gmock.h>

namespace bv {
namespace {

TEST(Parallel, EveryIndexIsVisitedOnceForAnyNumberOfThreads) {
    for (const int threads : {1, 2, 7, 64}) {
        std::vector<std::atomic<int>> visits(33);
        parallel_for(33, threads, [&](std::int64_t i) { ++visits[static_cast<std::size_t>(i)]; });
        for (const auto& count : visits) EXPECT_EQ(count, 1) << threads << " threads";
    }
}

TEST(Parallel, NothingToDoIsDone) {
    parallel_for(0, 4, [](std::int64_t) { FAIL(); });
}

TEST(Parallel, AnExceptionReachesTheCallerAfterAllThreadsEnded) {
    std::atomic<int> running{0};
    EXPECT_THROW(parallel_for(1000, 4,
                              [&](std::int64_t i) {
                                  ++running;
                                  const bool bad = i == 10;
                                  --running;
                                  if (bad) throw std::out_of_range("ten");
                              }),
                 std::out_of_range);
    EXPECT_EQ(running, 0);
}

TEST(Parallel, ThereIsACore) {
    EXPECT_GE(available_cores(), 1);
}

}  // namespace
}  // namespace bv
