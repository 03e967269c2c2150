#pragma once

#include <cstdint>
#include <utility>

#include "heads/blocks/state_batch.hpp"
#include "heads/head.hpp"

namespace bv {

/// One batch that several heads read. Most compute in float32: its states are converted for the first of
/// them, and kept for the others.
class SharedBatch {
  public:
    /// States as they were read: float32, float16 or bfloat16.
    explicit SharedBatch(StateBatch batch) : as_read_(std::move(batch)) {}

    const StateBatch& as_read() const { return as_read_; }

    /// What `head` reads of it: as many states as it has, from `first_state` on.
    StateBatch of(const Head& head, std::int64_t first_state);

  private:
    StateBatch as_read_;
    StateBatch floats_;  // once a head needs it
};

}  // namespace bv
