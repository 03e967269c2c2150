#pragma once

#include <cstdint>
#include <future>
#include <vector>

#include "bert/batch.hpp"
#include "squad/features/features.hpp"

namespace bv {

/// The data that one rank needs for one step of training.
struct StepBatch {
    std::vector<std::int64_t> share;  ///< the rank's examples, as numbers of features
    std::vector<Batch> passes;        ///< the same examples in host memory, cut into passes
    std::int64_t sequences = 0;       ///< sequences of the global batch
    std::int64_t tokens = 0;          ///< tokens of the global batch
    double imbalance = 0;             ///< imbalance of the tokens between ranks, see `token_imbalance`
};

/// Makes the batches of one rank. They follow from the sharding law (comm/sharding.hpp). While one step
/// computes, a thread prepares the batch of the next step.
class BatchFeed {
  public:
    struct Options {
        std::uint64_t seed;        ///< seed of the order of the examples
        std::int64_t batch;        ///< sequences in a step, over all ranks
        std::int64_t pass_tokens;  ///< largest number of tokens in a pass; 0 means no limit
        int rank;
        int sharing;  ///< number of ranks that get examples: ranks 0 to sharing - 1
    };

    /// Local. `features` must outlive this object.
    BatchFeed(const Features& features, const Options& options);

    /// Local: returns the batch of `step`, which counts from 0 at the start of training. Then starts to
    /// prepare the batch of the next step.
    StepBatch take(std::int64_t step);

  private:
    StepBatch prepare(std::int64_t step);

    const Features& features_;
    Options options_;
    std::vector<std::int64_t> tokens_of_;
    std::vector<std::int64_t> order_;
    std::int64_t epoch_ = -1;  ///< epoch of order_
    std::int64_t next_ = -1;   ///< step whose batch is being prepared
    std::future<StepBatch> preparing_;
};

}  // namespace bv
