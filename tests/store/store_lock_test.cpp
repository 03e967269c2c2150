#include "store/store_lock.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.hpp"
#include "core/files.hpp"

namespace bv {
namespace {

class StoreLockTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "store_lock_XXXXXX";
        folder_ = ::mkdtemp(name.data());
        store_ = folder_ / "a.h5";
        lock_ = folder_ / "a.h5.lock";
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::filesystem::path folder_, store_, lock_;
};

TEST_F(StoreLockTest, NamesItsHolderAndIsGoneAfterwards) {
    {
        const StoreLock lock(store_);
        EXPECT_THAT(read_file(lock_), testing::HasSubstr(fmt::format("pid {} ", ::getpid())));
    }
    EXPECT_FALSE(std::filesystem::exists(lock_));
}

TEST_F(StoreLockTest, RefusesASecondWriterByTheFirstOnesName) {
    const StoreLock first(store_);
    try {
        const StoreLock second(store_);
        FAIL() << "two writers hold one lock";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr("a.h5"));
        EXPECT_THAT(error.what(), testing::HasSubstr(fmt::format("pid {}", ::getpid())));
    }
    EXPECT_TRUE(std::filesystem::exists(lock_));
}

TEST_F(StoreLockTest, OfAKilledWriterIsReplaced) {
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const StoreLock lock(store_);
        if (::write(ready[1], "x", 1) == 1) ::pause();
        ::_exit(1);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    EXPECT_THROW(StoreLock{store_}, Error);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
    ASSERT_TRUE(std::filesystem::exists(lock_)) << "the dead writer should leave its file behind";
    EXPECT_NO_THROW(StoreLock{store_});
}

}  // namespace
}  // namespace bv
