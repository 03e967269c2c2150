#pragma once

#include <cstdint>
#include <vector>

#include "heads/blocks/block.hpp"

namespace bv {

/// In training drops values with probability `rate` (rounded to a multiple of 2^-16) and divides the others
/// by the probability of being kept. Whether a value is kept is a function of the head's seed, this block,
/// the step, the example, and the value's channel and place within the example (Philox, random/philox.hpp):
/// the same for any number of ranks and whatever else is in the batch.
class Dropout final : public Block {
  public:
    explicit Dropout(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return shape_; }

  private:
    BlockShape shape_;
    std::uint32_t threshold_;           // of 16 random bits, below which a value is dropped
    std::vector<std::uint64_t> seeds_;  // (K) drawn from the heads' generators
};

}  // namespace bv
