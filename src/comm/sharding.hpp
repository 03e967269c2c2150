#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bv {

/// The sharding law says which examples each rank trains on at each step. It consists of pure functions.
/// The global batch of a step depends on (seed, epoch, step) and not on the number of ranks R; only the
/// split of the batch depends on R.

/// The order in which `epoch` visits `count` examples: their numbers, sorted by mix(mix(seed) + 2^32 *
/// epoch + number), where mix is SplitMix64 (Steele, Lea and Flood 2014).
std::vector<std::int64_t> epoch_order(std::uint64_t seed, std::int64_t epoch, std::int64_t count);

/// The number of steps in one epoch of `count` examples with `batch` examples a step. The last step counts
/// also when its batch is not full.
std::int64_t steps_per_epoch(std::int64_t count, std::int64_t batch);

/// The examples of `step`, which counts from 0 in each epoch: a part of `order` with at least one and at
/// most `batch` examples.
std::span<const std::int64_t> batch_of_step(std::span<const std::int64_t> order, std::int64_t batch,
                                            std::int64_t step);

/// Splits a global batch over `ranks` so that each rank gets about the same number of tokens: the longest
/// examples first, each to the rank that has the fewest tokens so far (Graham 1969). `tokens_of[e]` is the
/// number of tokens of example e. Element r of the result is the share of rank r, in the order of the
/// batch. If there are more ranks than examples, some shares are empty.
std::vector<std::vector<std::int64_t>> split_by_tokens(std::span<const std::int64_t> batch,
                                                       std::span<const std::int64_t> tokens_of, int ranks);

/// By how much the largest share exceeds the mean share, in tokens: largest / mean - 1. Every step waits
/// for the rank with the largest share.
double token_imbalance(std::span<const std::vector<std::int64_t>> shares,
                       std::span<const std::int64_t> tokens_of);

/// Cuts `share`, in its order, into passes of at most `limit` tokens each. An example with more tokens is a
/// pass by itself.
std::vector<std::vector<std::int64_t>> cut_by_tokens(std::span<const std::int64_t> share,
                                                     std::span<const std::int64_t> tokens_of,
                                                     std::int64_t limit);

}  // namespace bv
