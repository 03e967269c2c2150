#pragma once

#include <cstdint>
#include <vector>

#include "store/layout.hpp"

namespace bv {

/// Blocks from which a batch of a training is drawn. With the usual block size a window is 128 MiB of a small
/// model's states, and 1.1 GB of all of BERT-Large's.
inline constexpr std::int64_t kWindowBlocks = 8;

/// The order in which an epoch of a training visits the features of a store, as indices in the features file:
/// the store's blocks, shuffled, are cut into windows of kWindowBlocks, and each window's features are
/// shuffled. So a disk is read in large pieces, and yet a batch draws from many blocks, each of which is a
/// random part of the data by itself (see lay_out). A function of its arguments alone: neither the number of
/// ranks nor the memory they have plays a part.
std::vector<std::vector<std::int64_t>> reading_windows(const StoreLayout& layout, std::uint64_t seed,
                                                       std::int64_t epoch);

}  // namespace bv
