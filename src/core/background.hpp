#pragma once

#include <chrono>
#include <functional>
#include <future>

namespace bv {

/// Runs one task at a time on a thread of its own, while the caller goes on.
class Background {
  public:
    Background() = default;
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;

    /// Waits for the running task. An exception of the task is ignored here: call `wait` when it matters.
    ~Background() {
        if (running_.valid()) running_.wait();
    }

    /// Waits for the previous task, throws the exception of that task if there was one, and starts `task`.
    void run(std::function<void()> task) {
        wait();
        running_ = std::async(std::launch::async, std::move(task));
    }

    /// Whether a task has ended and nobody has waited for it yet.
    bool has_ended() const {
        return running_.valid() && running_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    }

    /// If the task has ended with an exception, throws this exception. Does not wait.
    void check() {
        if (has_ended()) running_.get();
    }

    /// Waits for the running task. If it ends with an exception, throws this exception.
    void wait() {
        if (running_.valid()) running_.get();
    }

  private:
    std::future<void> running_;
};

}  // namespace bv
