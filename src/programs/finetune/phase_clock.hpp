#pragma once

#include <array>
#include <chrono>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace bv {

/// Counts the seconds of each phase of a training step, and their sums over all steps so far. It also counts
/// the seconds between steps, which evaluation takes or the wait until rank 0 has saved. When a phase ends,
/// it reports the next one as this rank's activity.
class PhaseClock {
  public:
    enum Phase { data, forward, backward, all_reduce, optimizer, saving, evaluation, count };

    /// Starts a step, or the time between two steps.
    void begin(Phase first = data);

    /// Counts the time since the last call for `phase`. Returns its seconds.
    double end(Phase phase);

    /// Adds the seconds counted since `begin` to the sums.
    void add();

    /// Continues from the sums of an earlier run, as `all` returned them. A phase that is missing there has 0
    /// seconds.
    void restore(const nlohmann::json& all);

    /// Seconds of each phase, by its name: `step` has those of the last step, `all` the sums so far.
    nlohmann::json step() const;
    nlohmann::json all() const;

    /// "data 0 %, forward 35 %, ...": each phase's share of the sums in `all`.
    std::string shares() const;

  private:
    using Clock = std::chrono::steady_clock;
    using Seconds = std::array<double, count>;

    Clock::time_point last_;
    Seconds step_{};
    Seconds all_{};
};

}  // namespace bv
