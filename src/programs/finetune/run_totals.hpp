#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "programs/finetune/batch_feed.hpp"

namespace bv {

/// The amount of training of a run, including the training before interruptions. No time here includes
/// evaluations.
class RunTotals {
  public:
    /// Nothing yet.
    RunTotals() = default;

    /// Goes on from the result of `json` that an interrupted run saved.
    explicit RunTotals(const nlohmann::json& earlier);

    /// Counts a step.
    void add(const StepBatch& batch);

    /// Seconds of training in all, after `seconds` of this process.
    double seconds_with(double seconds) const { return earlier_seconds_ + seconds; }

    /// Hours of training times ranks, after `seconds` of training in all; now there are `ranks` of them.
    double rank_hours(double seconds, int ranks) const;

    /// "12.1 sequences/s, 2042 tokens/s", after `seconds` of training in all.
    std::string speed_text(double seconds) const;

    /// Everything, after `seconds` of training in all.
    nlohmann::json json(double seconds, int ranks) const;

  private:
    double earlier_seconds_ = 0;
    double earlier_rank_hours_ = 0;  // an interrupted run may have had other ranks
    std::int64_t sequences_ = 0;
    std::int64_t tokens_ = 0;
};

}  // namespace bv
