#pragma once

#include <array>
#include <chrono>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace bv {

/// Seconds spent in each phase of a training step, and of all steps so far.
class PhaseClock {
  public:
    enum Phase { data, forward, backward, all_reduce, optimizer, count };

    /// Starts a step.
    void begin_step();

    /// Counts the time since the last call for `phase`.
    void end(Phase phase);

    /// Adds the step to the sum of all steps.
    void end_step();

    /// Continues from the sums of an earlier run, as `all` returns them.
    void restore(const nlohmann::json& all);

    /// Seconds by phase name: of the last step, and of all steps.
    nlohmann::json step() const;
    nlohmann::json all() const;

    /// "data 0 %, forward 35 %, ...": shares of the time of all steps.
    std::string shares() const;

  private:
    using Clock = std::chrono::steady_clock;
    using Seconds = std::array<double, count>;

    Clock::time_point last_;
    Seconds step_{};
    Seconds all_{};
};

}  // namespace bv
