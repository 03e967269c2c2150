#pragma once

#include <cstdint>
#include <vector>

#include "store/layout.hpp"

namespace bv {

/// The number of blocks in a window; a batch has features of one window. With the usual block size these
/// blocks hold 128 MiB of a small model's states, and 1.1 GB of all states of BERT-Large.
inline constexpr std::int64_t kWindowBlocks = 8;

/// The order in which one epoch of training visits the features of a store, as numbers in the features
/// file. One element is one window. The store's blocks are shuffled and cut into windows of kWindowBlocks
/// blocks; then the features of each window are shuffled. So the disk is read in large pieces, and a batch
/// still has features of many blocks, each of which is a random part of the data (see lay_out). The result
/// depends on the arguments alone: not on the number of ranks, and not on their memory.
std::vector<std::vector<std::int64_t>> reading_windows(const StoreLayout& layout, std::uint64_t seed,
                                                       std::int64_t epoch);

}  // namespace bv
