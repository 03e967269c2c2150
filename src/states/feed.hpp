#pragma once

#include <cstdint>
#include <deque>
#include <future>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "device/copy_stream.hpp"
#include "states/state_source.hpp"

namespace bv {

/// Batches of states in a given order: while those of one group are used, the next group is read in a thread,
/// where that pays. The states of two groups are held, no more. While a batch is computed with, the group's
/// next one goes to the device.
class StateFeed {
  public:
    /// Local. `groups[g]` are batches that are read together (a batch may be empty); `source` must outlive
    /// this object. States come out as they were read, on `device`.
    StateFeed(const StateSource& source, std::vector<FeatureBatches> groups, at::Device device);

    /// Local: the next batch. Throws Error when reading failed.
    StateBatch next();

    /// Local: seconds spent in `next`, waiting for states.
    double seconds_waited() const { return seconds_waited_; }

  private:
    void start_reading();
    void upload();

    const StateSource& source_;
    std::vector<FeatureBatches> groups_;
    CopyStream copies_;
    std::size_t next_ = 0;
    std::future<std::vector<StateBatch>> reading_;
    std::deque<StateBatch> read_;
    std::optional<StateBatch> uploaded_;  // or on its way to the device
    double seconds_waited_ = 0;
};

/// `batches` in groups of about `bytes` of `source`'s states.
std::vector<FeatureBatches> group_batches(const StateSource& source, FeatureBatches batches,
                                          std::int64_t bytes);

}  // namespace bv
