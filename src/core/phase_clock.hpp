#pragma once

#include <array>
#include <chrono>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace bv {

/// Seconds spent in each phase of a training step, and of all steps so far; and between steps in waiting for
/// what rank 0 saves, and in evaluation. Reports as this rank's activity the phase that follows the one ended
/// last.
class PhaseClock {
  public:
    enum Phase { data, forward, backward, all_reduce, optimizer, saving, evaluation, count };

    /// Starts a step, or what comes between two.
    void begin(Phase first = data);

    /// Counts the time since the last call for `phase`. Returns its seconds.
    double end(Phase phase);

    /// Adds what was counted since `begin` to the sums of all so far.
    void add();

    /// Continues from the sums of an earlier run, as `all` returns them.
    void restore(const nlohmann::json& all);

    /// Seconds by phase name: of the last step, and of all steps and what came between them.
    nlohmann::json step() const;
    nlohmann::json all() const;

    /// "data 0 %, forward 35 %, ...": shares of `all`.
    std::string shares() const;

  private:
    using Clock = std::chrono::steady_clock;
    using Seconds = std::array<double, count>;

    Clock::time_point last_;
    Seconds step_{};
    Seconds all_{};
};

}  // namespace bv
