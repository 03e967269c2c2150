#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "states/state_source.hpp"

namespace bv {

struct TrainOptions;

/// The states on which heads are trained and scored.
class HeadData {
  public:
    /// Local: opens the stores, or the checkpoint and the features files, that `options` names. Throws Error,
    /// which names flag or file, when they cannot be read or leave no questions to train on.
    HeadData(const TrainOptions& options, Task task, at::Device device);

    /// Logs warnings when training questions are also scored on, or when they lack one of the two classes.
    void warn_of_questions() const;

    /// The sources that were opened: those of the training and of the dev questions, and that of the held-out
    /// questions if they are no share of the training questions.
    std::vector<StateSource*> opened() const;

    /// Local: sets the precision of all sources; see StateSource::multiply_in.
    void multiply_in(at::ScalarType precision);

    /// All training features, including those that are held out. With --shuffle-labels, the batches of those
    /// that are trained on have shuffled labels (states/shuffled_labels.hpp).
    const StateSource& train() const { return shuffled_ ? *shuffled_ : *train_; }

    /// With --held-out: the part of `train` that the data seed chooses. With --held-out-store or
    /// --held-out-features: the features of that file. Null without held-out questions.
    const StateSource* held_out() const { return held_out_.get(); }

    const StateSource& dev() const { return *dev_; }

    /// The number of features in an epoch over a `share` (0 to 1) of the training questions.
    std::int64_t count(double share) const;

    /// The order of the features in such an epoch, as indices in `train`. The features of a window are read
    /// together. The order is a function of data seed, epoch, share and store. A larger share has all
    /// features of a smaller one.
    std::vector<std::vector<std::int64_t>> windows(std::int64_t epoch, double share) const;

    /// A fingerprint of that order. If it is equal, `windows` are equal for equal epochs and shares.
    std::string order_fingerprint() const;

  private:
    void hold_out(double share);
    void require_held_out() const;
    void shuffle_labels();
    bool is_trained_on(std::int64_t feature, double share) const;

    std::unique_ptr<StateSource> train_;
    std::unique_ptr<StateSource> dev_;
    std::unique_ptr<StateSource> held_out_;
    bool held_out_is_part_ = false;          // `held_out_` is a part of `train_`
    std::unique_ptr<StateSource> shuffled_;  // `train_` with other labels; null without --shuffle-labels
    std::uint64_t seed_;
    std::vector<std::int64_t> place_of_;  // (questions of train) place in an order drawn by the seed
    std::int64_t held_ = 0;               // number of questions held out: the first in that order
};

}  // namespace bv
