#pragma once

#include <cstdint>
#include <future>
#include <vector>

#include <ATen/core/Tensor.h>

#include "stages/state_source.hpp"

namespace bv {

/// Batches of states in a given order: while one is used, the next is read in a thread, where that pays.
class StateFeed {
  public:
    /// Local. `batches[i]` holds the features of batch i (none is allowed); `source` must outlive this
    /// object. States come out in float32 on `device`.
    StateFeed(const StateSource& source, std::vector<std::vector<std::int64_t>> batches, at::Device device);

    /// Local: the next batch. Throws Error when reading failed.
    StateBatch next();

    /// Local: seconds spent in `next`, waiting for states.
    double seconds_waited() const { return seconds_waited_; }

  private:
    void start_reading();

    const StateSource& source_;
    std::vector<std::vector<std::int64_t>> batches_;
    at::Device device_;
    std::size_t next_ = 0;
    std::future<StateBatch> reading_;
    double seconds_waited_ = 0;
};

}  // namespace bv
