#include "core/stop_signal.hpp"

#include <csignal>
#include <cstdlib>
#include <thread>

#include <gtest/gtest.h>

namespace bv {
namespace {

/// Each in a process of its own, since a request stays.
[[noreturn]] void end(bool as_expected) {
    std::_Exit(as_expected ? 0 : 1);
}

TEST(StopSignal, Usr1IsARequestFromMainsFirstLineOn) {
    EXPECT_EXIT(
        {
            listen_for_stop_signal();
            const bool before = stop_requested();
            std::raise(SIGUSR1);
            std::raise(SIGUSR1);
            end(!before && stop_requested());
        },
        testing::ExitedWithCode(0), "");
}

TEST(StopSignal, Usr1IsTakenBeforeMain) {
    EXPECT_EXIT(
        {
            std::raise(SIGUSR1);
            end(stop_requested());
        },
        testing::ExitedWithCode(0), "");
}

TEST(StopSignal, EveryThreadSeesTheRequest) {
    EXPECT_EXIT(
        {
            listen_for_stop_signal();
            std::thread waiting([] {
                while (!stop_requested()) std::this_thread::yield();
            });
            std::raise(SIGUSR1);
            waiting.join();
            end(true);
        },
        testing::ExitedWithCode(0), "");
}

TEST(StopSignal, TermIsOneUnderSrunAlone) {
    ::unsetenv("OMPI_COMM_WORLD_SIZE");
    ::setenv("SLURM_PROCID", "0", 1);
    EXPECT_EXIT(
        {
            listen_for_stop_signal();
            std::raise(SIGTERM);
            end(stop_requested());
        },
        testing::ExitedWithCode(0), "");
    ::unsetenv("SLURM_PROCID");
    EXPECT_EXIT(
        {
            listen_for_stop_signal();
            std::raise(SIGTERM);
        },
        testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace bv
