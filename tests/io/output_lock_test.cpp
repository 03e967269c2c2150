#include "io/output_lock.hpp"

#include <optional>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.hpp"
#include "helpers/expect_error.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;

/// Knows when somebody has opened a lock file, found it locked, and closed it.
class Looks {
  public:
    explicit Looks(const fs::path& lock_file) {
        EXPECT_GE(::inotify_add_watch(events_, lock_file.c_str(), IN_CLOSE), 0);
    }
    ~Looks() { ::close(events_); }
    Looks(const Looks&) = delete;
    Looks& operator=(const Looks&) = delete;

    void wait_for_one() {
        inotify_event event{};
        EXPECT_EQ(::read(events_, &event, sizeof(event)), static_cast<ssize_t>(sizeof(event)));
    }

  private:
    int events_ = ::inotify_init1(IN_CLOEXEC);
};

class OutputLockTest : public testing::Test {
  protected:
    static std::string own_name() { return fmt::format("pid {} ", ::getpid()); }

    /// Another process's lock of `lock_file`, which has not written its name into it.
    static int hold(const fs::path& lock_file) {
        const int descriptor = ::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        EXPECT_EQ(::flock(descriptor, LOCK_EX | LOCK_NB), 0);
        return descriptor;
    }

    TemporaryFolder temporary_;
    fs::path store_ = temporary_ / "a.h5";
    fs::path lock_ = temporary_ / "a.h5.lock";
    fs::path folder_ = temporary_ / "run" / "seed-1";
};

TEST_F(OutputLockTest, NamesItsHolderAndIsGoneAfterwards) {
    {
        const OutputLock lock = OutputLock::of_file(store_);
        EXPECT_THAT(read_file(lock_), testing::HasSubstr(own_name()));
    }
    EXPECT_FALSE(fs::exists(lock_));
}

TEST_F(OutputLockTest, RefusesASecondWriterByTheFirstOnesName) {
    const OutputLock first = OutputLock::of_file(store_);
    expect_error([&] { OutputLock::of_file(store_); }, {"a.h5", own_name(), "a.h5.lock"});
    EXPECT_TRUE(fs::exists(lock_));
}

TEST_F(OutputLockTest, OfAKilledWriterIsReplaced) {
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        // NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores): it is held
        const OutputLock lock = OutputLock::of_file(store_);
        if (::write(ready[1], "x", 1) == 1) ::pause();
        ::_exit(1);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    expect_error([&] { OutputLock::of_file(store_); }, {fmt::format("pid {} ", child)});
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
    ASSERT_TRUE(fs::exists(lock_)) << "the dead writer should leave its file behind";
    const OutputLock next = OutputLock::of_file(store_);
    EXPECT_THAT(read_file(lock_), testing::HasSubstr(own_name()));
}

TEST_F(OutputLockTest, OfAFolderMakesItAndLeavesNothingWhereNothingWasWritten) {
    {
        const OutputLock lock = OutputLock::of_folder(folder_);
        EXPECT_TRUE(lock.stands_alone());
        EXPECT_TRUE(fs::exists(folder_ / ".lock"));
    }
    EXPECT_FALSE(fs::exists(temporary_ / "run"));
    {
        const OutputLock lock = OutputLock::of_folder(folder_);
        write_file(folder_ / "result", "x");
        EXPECT_FALSE(lock.stands_alone());
    }
    EXPECT_TRUE(fs::exists(folder_ / "result"));
    EXPECT_FALSE(fs::exists(folder_ / ".lock"));
}

TEST_F(OutputLockTest, OfAFolderHoldsUnderItsOtherNames) {
    fs::create_directories(folder_);
    fs::create_symlink(folder_, temporary_ / "link");
    const OutputLock lock = OutputLock::of_folder(folder_);
    for (const fs::path& name : {folder_ / "", folder_ / ".." / "seed-1", temporary_ / "link"})
        expect_error([&] { OutputLock::of_folder(name); }, {name.string(), own_name()});
    const OutputLock of_another = OutputLock::of_folder(temporary_ / "run" / "seed-2");
}

TEST_F(OutputLockTest, MovesToAnOwnerThatFreesIt) {
    std::optional<std::vector<OutputLock>> locks(std::in_place);
    locks->push_back(OutputLock::of_folder(folder_));
    locks->push_back(OutputLock::of_file(store_));
    EXPECT_THROW(OutputLock::of_folder(folder_), Error);
    locks.reset();
    EXPECT_FALSE(fs::exists(folder_));
    EXPECT_FALSE(fs::exists(lock_));
}

TEST_F(OutputLockTest, AHolderThatEndsAtThatMomentIsNoHindrance) {
    const int holder = hold(lock_);
    Looks looks(lock_);
    std::jthread ending([&] {
        looks.wait_for_one();
        ::unlink(lock_.c_str());
        ::close(holder);
    });
    const OutputLock lock = OutputLock::of_file(store_);
    EXPECT_THAT(read_file(lock_), testing::HasSubstr(own_name()));
}

TEST_F(OutputLockTest, ADeadHoldersNameIsNotToldForOneThatHasJustTakenOver) {
    write_file(lock_, "host gone pid 1 job 2\n");
    const int holder = hold(lock_);
    Looks looks(lock_);
    std::jthread beginning([&] {
        looks.wait_for_one();
        EXPECT_EQ(::ftruncate(holder, 0), 0);
        EXPECT_EQ(::pwrite(holder, "host here pid 3 job 4\n", 22, 0), 22);
    });
    expect_error([&] { OutputLock::of_file(store_); }, {"host here pid 3 job 4"});
    beginning.join();
    ::close(holder);
}

TEST_F(OutputLockTest, GoesFromHandToHandWithoutAnError) {
    std::atomic<int> holders{0};
    std::vector<std::jthread> team;
    for (int t = 0; t < 4; ++t) {
        team.emplace_back([&] {
            for (int i = 0; i < 20; ++i) {
                try {
                    const OutputLock lock = OutputLock::of_folder(folder_);
                    EXPECT_EQ(++holders, 1);
                    --holders;
                } catch (const Error& error) {  // after half a second of bad luck
                    EXPECT_THAT(error.what(), testing::HasSubstr("is being written by another process"));
                }
            }
        });
    }
    team.clear();
    // Whoever made the folder may have failed to remove it, because the next holder's lock was already in it.
    EXPECT_TRUE(!fs::exists(folder_) || fs::is_empty(folder_));
}

TEST_F(OutputLockTest, WhatCannotBeMadeIsNamed) {
    write_file(temporary_ / "file", "");
    expect_error([&] { OutputLock::of_folder(temporary_ / "file"); }, {"file/.lock", "Not a directory"});
    expect_error([&] { OutputLock::of_folder(temporary_ / "file" / "below"); }, {"cannot create folder"});
}

}  // namespace
}  // namespace bv
