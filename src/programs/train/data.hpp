#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "states/state_source.hpp"

namespace bv {

struct TrainOptions;

/// The states that heads are trained and judged on.
class HeadData {
  public:
    /// Local: opens what `options` name. Throws Error naming flag or file.
    HeadData(const TrainOptions& options, Task task, at::Device device);

    /// Local: see StateSource.
    void multiply_in(at::ScalarType precision);

    /// The features to train on, beside those held out.
    const StateSource& train() const { return *train_; }

    /// The questions of `train` that are held out, chosen by data seed; null without --held-out.
    const StateSource* held_out() const { return held_out_.get(); }

    const StateSource& dev() const { return *dev_; }

    /// Features that an epoch over a `share` of the training questions visits.
    std::int64_t count(double share) const;

    /// The order in which such an epoch visits them, as indices in `train`, in windows that are read
    /// together: a function of data seed, epoch, share and store. A larger share visits all that a smaller
    /// one does.
    std::vector<std::vector<std::int64_t>> windows(std::int64_t epoch, double share) const;

    /// Equal where `windows` are, for the same shares.
    std::string order_fingerprint() const;

  private:
    void hold_out(double share);
    bool is_trained_on(std::int64_t feature, double share) const;

    std::unique_ptr<StateSource> train_;
    std::unique_ptr<StateSource> dev_;
    std::unique_ptr<StateSource> held_out_;
    std::uint64_t seed_;
    std::vector<std::int64_t> place_of_;  // (questions of train) in an order drawn by the seed
    std::int64_t held_ = 0;               // questions held out: the first in that order
};

}  // namespace bv
