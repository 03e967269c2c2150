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

/// Gives out batches of states in a given order, and reads ahead. Batches come in groups. While the batches
/// of one group are used, a thread reads the next group if the source says that this pays
/// (`worth_reading_ahead`). The states of at most two groups are in memory. While heads compute with one
/// batch, the next batch of the group is copied to the device.
class StateFeed {
  public:
    /// Local. `groups[g]` are the batches that are read together; a batch may be empty. `source` must
    /// outlive this object. The batches are on `device` and have the source's element type.
    StateFeed(const StateSource& source, std::vector<FeatureBatches> groups, at::Device device);

    /// Local: `groups` follow after all that are there, such as those of the next epoch. The first of them is
    /// then read while the last one before it is used.
    void append(std::vector<FeatureBatches> groups);

    /// Local: returns the next batch. Throws what reading it threw: Error for a damaged store.
    StateBatch next();

    /// Local: the seconds that calls of `next` have waited for states.
    double seconds_waited() const { return seconds_waited_; }

  private:
    void start_reading();
    void upload();

    const StateSource& source_;
    std::deque<FeatureBatches> groups_;  // those that are neither read yet nor being read
    CopyStream copies_;
    std::future<std::vector<StateBatch>> reading_;
    std::deque<StateBatch> read_;
    std::optional<StateBatch> uploaded_;  // it may still be on its way to the device
    double seconds_waited_ = 0;
};

/// Local: cuts `batches`, in their order, into groups with about `bytes` bytes of states each.
std::vector<FeatureBatches> group_batches(const StateSource& source, FeatureBatches batches,
                                          std::int64_t bytes);

}  // namespace bv
