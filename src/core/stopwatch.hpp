#pragma once

#include <chrono>

namespace bv {

/// Counts the time since its construction.
class Stopwatch {
  public:
    double seconds() const { return std::chrono::duration<double>(Clock::now() - began_).count(); }

  private:
    using Clock = std::chrono::steady_clock;

    Clock::time_point began_ = Clock::now();
};

}  // namespace bv
