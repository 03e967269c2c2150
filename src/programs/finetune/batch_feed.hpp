#pragma once

#include <cstdint>
#include <future>
#include <vector>

#include "bert/batch.hpp"
#include "squad/features/features.hpp"

namespace bv {

/// The data that one rank needs for one step of training.
struct StepBatch {
    std::vector<std::int64_t> share;  ///< the rank's examples
    std::vector<Batch> passes;        ///< the share in host memory, cut so that each pass fits
    std::int64_t sequences = 0;       ///< of the global batch
    std::int64_t tokens = 0;          ///< of the global batch
    double imbalance = 0;             ///< of tokens over the ranks, see `token_imbalance`
};

/// The batches of a rank by the sharding law (comm/sharding.hpp). While one step computes, a thread
/// prepares the batch of the next.
class BatchFeed {
  public:
    struct Options {
        std::uint64_t seed;
        std::int64_t batch;        ///< sequences of a step, over all ranks
        std::int64_t pass_tokens;  ///< most tokens of a pass; 0 = no limit
        int rank;
        int sharing;  ///< how many ranks, from rank 0 on, get examples
    };

    /// Local. `features` must outlive this object.
    BatchFeed(const Features& features, const Options& options);

    /// Local: returns the batch of `step` (counted from the beginning of training), and starts to prepare
    /// that of the next step.
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
