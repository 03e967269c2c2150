#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "stages/device.hpp"
#include "stages/state_source.hpp"

namespace bv {

struct TrainOptions;

/// The states that heads are trained and judged on.
class HeadData {
  public:
    /// Local: opens what `options` name. Throws Error naming flag or file.
    HeadData(const TrainOptions& options, const std::string& task, const Compute& compute);

    /// The features to train on, beside those held out.
    const StateSource& train() const { return *train_; }

    /// The questions of `train` that are held out, chosen by data seed; null without --held-out.
    const StateSource* held_out() const { return held_out_.get(); }

    const StateSource& dev() const { return *dev_; }

    /// Features that an epoch visits.
    std::int64_t count() const { return count_; }

    /// The order in which an epoch visits them, as indices in `train`, in windows that are read together: a
    /// function of data seed, epoch and store.
    std::vector<std::vector<std::int64_t>> windows(std::int64_t epoch) const;

    /// Equal where `windows` are.
    std::string order_fingerprint() const;

  private:
    void hold_out(double share);

    std::unique_ptr<StateSource> train_;
    std::unique_ptr<StateSource> dev_;
    std::unique_ptr<StateSource> held_out_;
    std::vector<bool> is_held_out_;  // (questions of train)
    std::uint64_t seed_;
    std::int64_t count_;
};

}  // namespace bv
