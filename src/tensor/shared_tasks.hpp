#pragma once

#include <atomic>
#include <cstdint>

#include <ATen/Parallel.h>

namespace bv {

/// The numbers 0 to `count` - 1 of tasks, of which each thread takes the next one when it is free.
class SharedTasks {
  public:
    explicit SharedTasks(std::int64_t count) : count_(count) {}

    /// Calls `work(task)` for each task that this thread takes.
    template <typename Work>
    void take(const Work& work) {
        for (std::int64_t task = next_++; task < count_; task = next_++) work(task);
    }

  private:
    std::int64_t count_;
    std::atomic<std::int64_t> next_ = 0;
};

/// Calls `work(tasks)` on all of ATen's threads, which share the tasks. Equal parts, as at::parallel_for
/// gives them, would make all threads wait for one whose tasks are larger, or whose core does something else,
/// such as reading the next states. Which thread takes a task differs from call to call.
template <typename Work>
void share_tasks(std::int64_t count, const Work& work) {
    SharedTasks tasks(count);
    at::parallel_for(0, at::get_num_threads(), 1, [&](std::int64_t, std::int64_t) { work(tasks); });
}

}  // namespace bv
