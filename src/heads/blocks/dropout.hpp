#pragma once

#include <cstdint>
#include <vector>

#include "heads/blocks/block.hpp"

namespace bv {

/// In training this block drops values with probability `rate` (rounded to a multiple of 2^-16) and divides
/// the others by the probability that a value is kept. Whether a value is kept is a function of the head's
/// seed, this block, the step, the example, and the value's channel and place within the example (Philox,
/// random/philox.hpp). So it is the same for any number of ranks, and whatever else is in the batch.
class Dropout final : public Block {
  public:
    explicit Dropout(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return shape_; }

  private:
    BlockShape shape_;
    std::uint32_t threshold_;           // a value is dropped if its 16 random bits are below this
    std::vector<std::uint64_t> seeds_;  // (K) drawn from the heads' generators
};

}  // namespace bv
