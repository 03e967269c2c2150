#include "core/stopwatch.hpp"

#include <thread>

#include <gtest/gtest.h>

namespace bv {
namespace {

TEST(Stopwatch, ItCountsSecondsFromItsConstruction) {
    const Stopwatch clock;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_GE(clock.seconds(), 0.02);
    EXPECT_LT(clock.seconds(), 60);
}

}  // namespace
}  // namespace bv
