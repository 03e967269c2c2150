#include "programs/finetune/batch_feed.hpp"

#include <limits>

#include "comm/sharding.hpp"

namespace bv {

BatchFeed::BatchFeed(const Features& features, const Options& options)
    : features_(features), options_(options), tokens_of_(features.token_counts()) {}

StepBatch BatchFeed::take(std::int64_t step) {
    StepBatch taken;
    // Wait for the thread even if it prepares the batch of another step: it uses this object.
    if (preparing_.valid()) taken = preparing_.get();
    if (next_ != step) taken = prepare(step);
    next_ = step + 1;
    preparing_ = std::async(std::launch::async, [this] { return prepare(next_); });
    return taken;
}

StepBatch BatchFeed::prepare(std::int64_t step) {
    const std::int64_t steps = steps_per_epoch(features_.count(), options_.batch);
    if (step / steps != epoch_) {
        epoch_ = step / steps;
        order_ = epoch_order(options_.seed, epoch_, features_.count());
    }
    const auto global = batch_of_step(order_, options_.batch, step % steps);
    const auto shares = split_by_tokens(global, tokens_of_, options_.sharing);
    StepBatch batch;
    if (options_.rank < options_.sharing) batch.share = shares[static_cast<std::size_t>(options_.rank)];
    const std::int64_t limit =
        options_.pass_tokens > 0 ? options_.pass_tokens : std::numeric_limits<std::int64_t>::max();
    for (const auto& pass : cut_by_tokens(batch.share, tokens_of_, limit))
        batch.passes.push_back(make_batch(features_, pass));
    batch.sequences = static_cast<std::int64_t>(global.size());
    for (const std::int64_t example : global) batch.tokens += tokens_of_[static_cast<std::size_t>(example)];
    batch.imbalance = token_imbalance(shares, tokens_of_);
    return batch;
}

}  // namespace bv
