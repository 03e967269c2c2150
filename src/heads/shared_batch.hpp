#pragma once

#include <cstdint>
#include <utility>

#include "heads/blocks/state_batch.hpp"
#include "heads/head.hpp"

namespace bv {

/// One batch that several heads read. Most heads compute in float32. The states are converted for the first
/// of them, and the result is kept for the others.
class SharedBatch {
  public:
    /// Takes a batch whose states are as they were read: in float32, float16, bfloat16 or float8.
    explicit SharedBatch(StateBatch batch) : as_read_(std::move(batch)) {}

    const StateBatch& as_read() const { return as_read_; }

    /// The part of the batch that `head` reads: as many states as the head has, from state `first_state`
    /// on, in an element type that the head takes.
    StateBatch of(const Head& head, std::int64_t first_state);

  private:
    StateBatch as_read_;
    StateBatch floats_;  // the batch in float32; made when a head needs it
};

}  // namespace bv
