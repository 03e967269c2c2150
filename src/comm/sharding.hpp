#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bv {

/// The sharding law: which examples each rank trains on at each step, as pure functions. The global batch of
/// a step depends on (seed, epoch, step) and not on the number of ranks R; only its split does.

/// The order in which `epoch` visits `count` examples: their indices sorted by
/// mix(mix(seed) + 2^32 * epoch + index), where mix is SplitMix64 (Steele, Lea and Flood 2014).
std::vector<std::int64_t> epoch_order(std::uint64_t seed, std::int64_t epoch, std::int64_t count);

/// Steps of one epoch; the last, partial batch counts.
std::int64_t steps_per_epoch(std::int64_t count, std::int64_t batch);

/// The examples of `step` (counted within its epoch) as a part of `order`: at most `batch` of them, at least
/// one.
std::span<const std::int64_t> batch_of_step(std::span<const std::int64_t> order, std::int64_t batch,
                                            std::int64_t step);

/// Splits a global batch over `ranks` so that their token counts balance: longest first, each to the rank
/// with the fewest tokens so far (Graham 1969). `tokens_of[e]` is the token count of example e. Element r is
/// rank r's share, in the batch's order; with more ranks than examples some get none.
std::vector<std::vector<std::int64_t>> split_by_tokens(std::span<const std::int64_t> batch,
                                                       std::span<const std::int64_t> tokens_of, int ranks);

/// By how much the fullest share exceeds the mean share, in tokens: largest / mean - 1. What a step waits
/// for.
double token_imbalance(std::span<const std::vector<std::int64_t>> shares,
                       std::span<const std::int64_t> tokens_of);

/// `share` in order, cut into passes of at most `limit` tokens each; an example with more is a pass alone.
std::vector<std::vector<std::int64_t>> cut_by_tokens(std::span<const std::int64_t> share,
                                                     std::span<const std::int64_t> tokens_of,
                                                     std::int64_t limit);

}  // namespace bv
