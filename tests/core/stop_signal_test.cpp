#include "core/stop_signal.hpp"

#include <csignal>
#include <cstdlib>

#include <gtest/gtest.h>

namespace bv {
namespace {

TEST(StopSignal, Usr1IsARequestAndEveryListenerStartsWithoutOne) {
    {
        const StopSignal stop;
        EXPECT_FALSE(stop.requested());
        std::raise(SIGUSR1);
        EXPECT_TRUE(stop.requested());
    }
    EXPECT_FALSE(StopSignal().requested());
}

TEST(StopSignal, TermIsOneUnderSrunAlone) {
    ::unsetenv("OMPI_COMM_WORLD_SIZE");
    ::setenv("SLURM_PROCID", "0", 1);
    {
        const StopSignal stop;
        std::raise(SIGTERM);
        EXPECT_TRUE(stop.requested());
    }
    ::unsetenv("SLURM_PROCID");
    const StopSignal stop;
    EXPECT_EXIT(std::raise(SIGTERM), testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace bv
