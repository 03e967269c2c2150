#include <array>
#include <mutex>
#include <set>
#include <thread>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace bv {
namespace {

// With two OpenMP libraries in one process, the threads of one ask the other for their number: then each of
// them computes everything.
TEST(OpenMP, ThreadsOfALoopShareItsWork) {
    const int threads_before = at::get_num_threads();
    at::set_num_threads(2);
    std::mutex mutex;
    std::set<std::thread::id> threads;
    std::array<int, 64> times{};
    at::parallel_for(0, times.size(), 1, [&](std::int64_t begin, std::int64_t end) {
        const std::lock_guard lock(mutex);
        threads.insert(std::this_thread::get_id());
        for (std::int64_t i = begin; i < end; ++i) ++times.at(static_cast<std::size_t>(i));
    });
    at::set_num_threads(threads_before);
    EXPECT_EQ(threads.size(), 2U);
    for (const int count : times) EXPECT_EQ(count, 1);
}

}  // namespace
}  // namespace bv
