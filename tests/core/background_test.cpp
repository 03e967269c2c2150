#include "core/background.hpp"

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

namespace bv {
namespace {

TEST(Background, TasksRunOneAfterAnotherWhileTheCallerGoesOn) {
    std::promise<void> may_end;
    std::atomic<int> done = 0;
    Background background;
    background.run([&, gate = may_end.get_future().share()] {
        gate.wait();
        done = 1;
    });
    EXPECT_EQ(done, 0);
    background.check();  // does not wait
    may_end.set_value();
    background.run([&] { done = done == 1 ? 2 : -1; });
    background.wait();
    EXPECT_EQ(done, 2);
}

TEST(Background, TellsWithoutWaitingWhetherATaskHasEnded) {
    std::promise<void> may_end;
    Background background;
    EXPECT_FALSE(background.has_ended());
    background.run([gate = may_end.get_future().share()] { gate.wait(); });
    EXPECT_FALSE(background.has_ended());
    may_end.set_value();
    while (!background.has_ended()) std::this_thread::yield();
    background.wait();
    EXPECT_FALSE(background.has_ended());
}

TEST(Background, WhatATaskThrewReachesTheNextCallOnce) {
    Background background;
    background.run([] { throw std::runtime_error("first"); });
    EXPECT_THROW(background.wait(), std::runtime_error);
    background.wait();
    background.run([] { throw std::runtime_error("second"); });
    EXPECT_THROW(background.run([] {}), std::runtime_error);
}

TEST(Background, ItsEndWaitsForTheTask) {
    std::atomic<bool> done = false;
    {
        Background background;
        background.run([&] { done = true; });
    }
    EXPECT_TRUE(done);
}

}  // namespace
}  // namespace bv
