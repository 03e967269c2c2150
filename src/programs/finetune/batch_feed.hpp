#pragma once

#include <cstdint>
#include <future>
#include <vector>

#include "bert/batch.hpp"
#include "squad/features/features.hpp"

namespace bv {

/// What one rank needs for one step of training.
struct StepBatch {
    std::vector<std::int64_t> share;  ///< the rank's examples
    std::vector<Batch> passes;   ///< the same in host memory, as many as the memory for one pass asks for
    std::int64_t sequences = 0;  ///< of the global batch
    std::int64_t tokens = 0;     ///< of the global batch
    double imbalance = 0;        ///< of tokens over the ranks, see `token_imbalance`
};

/// The batches of a rank by the sharding law (comm/sharding.hpp), each prepared by a thread while the step
/// before it computes.
class BatchFeed {
  public:
    struct Options {
        std::uint64_t seed;
        std::int64_t batch;        ///< sequences a step, over all ranks
        std::int64_t pass_tokens;  ///< most tokens of a pass; 0 = no limit
        int rank;
        int sharing;  ///< the first so many ranks get examples
    };

    /// Local. `features` must outlive this object.
    BatchFeed(const Features& features, const Options& options);

    /// Local: the batch of `step` (counted from the beginning of training); then prepares that of the next.
    StepBatch take(std::int64_t step);

  private:
    StepBatch prepare(std::int64_t step);

    const Features& features_;
    Options options_;
    std::vector<std::int64_t> tokens_of_;
    std::vector<std::int64_t> order_;
    std::int64_t epoch_ = -1;  ///< of order_
    std::int64_t next_ = -1;   ///< the step being prepared
    std::future<StepBatch> preparing_;
};

}  // namespace bv
