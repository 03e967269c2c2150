#include "core/process.hpp"

#include <csignal>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "core/error.hpp"
#include "core/stop_signal.hpp"

namespace bv {
namespace {

/// Calls a function that throws in its destructor, where nothing may be thrown.
struct Sink {
    std::function<void()> action;
    explicit Sink(std::function<void()> at_end) : action(std::move(at_end)) {}
    ~Sink() { action(); }
    Sink(const Sink&) = delete;
    Sink& operator=(const Sink&) = delete;
};

TEST(Process, TakesTheStopSignal) {
    EXPECT_EXIT(
        {
            prepare_process();
            std::raise(SIGUSR1);
            std::_Exit(stop_requested() ? 0 : 1);
        },
        testing::ExitedWithCode(0), "");
}

TEST(Process, SetsVariablesOfLibrariesThatTheUserHasNotSet) {
    const auto run = [] {
        ::unsetenv("CUDA_DEVICE_ORDER");
        ::setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8", 1);
        prepare_process();
        const bool right = std::string(std::getenv("CUDA_DEVICE_ORDER")) == "PCI_BUS_ID" &&
                           std::string(std::getenv("CUBLAS_WORKSPACE_CONFIG")) == ":16:8";
        std::_Exit(right ? 0 : 1);
    };
    EXPECT_EXIT(run(), testing::ExitedWithCode(0), "");
}

TEST(Process, AllowsAGridsOpenFiles) {
    const auto run = [] {
        rlimit files{};
        getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = 64;
        setrlimit(RLIMIT_NOFILE, &files);
        prepare_process();
        getrlimit(RLIMIT_NOFILE, &files);
        std::_Exit(files.rlim_cur > 64 ? 0 : 1);
    };
    EXPECT_EXIT(run(), testing::ExitedWithCode(0), "");
}

TEST(Process, WhatNobodyCatchesIsOneLineAndAFailure) {
    const auto in_a_thread = [] {
        prepare_process();
        std::thread([] { throw std::runtime_error("thrown by a thread"); }).join();
    };
    EXPECT_EXIT(in_a_thread(), testing::ExitedWithCode(kFailure), "^failure: thrown by a thread\n$");
    const auto in_a_destructor = [] {
        prepare_process();
        const Sink sink{[] { throw std::logic_error("thrown by a destructor"); }};
    };
    EXPECT_EXIT(in_a_destructor(), testing::ExitedWithCode(kFailure), "^failure: thrown by a destructor\n$");
}

}  // namespace
}  // namespace bv
