#pragma once

#include <cstdint>
#include <vector>

#include "store/hdf5.hpp"
#include "store/layout.hpp"

namespace bv {

/// The store's format in HDF5's terms, shared by writer and reader; README.md of this folder describes it.
/// All functions throw Error naming the file and what is wrong with it.

/// The element type of `states` in the file and in memory: IEEE half, single, or bfloat16 as a custom type.
h5::Handle state_type(DType dtype);

/// Writes the attributes and the small arrays, and makes `states` (allocated, not filled) and the block
/// records (zeros). Local.
void write_head(h5::File& file, const StoreInfo& info, const StoreLayout& layout);

StoreInfo read_info(const h5::File& file);

/// Checks that the arrays fit each other and `states`, and its type `info`.
StoreLayout read_layout(const h5::File& file, const StoreInfo& info);

/// The dataset `states` (states, rows, H), and the byte it begins at in the file.
h5::Handle open_states(const h5::File& file);
std::int64_t offset_of_states(const h5::File& file);

/// A block's record: a mark (kWritten once all its states are on disk, else 0), then the CRC-32C of the
/// block's rows of each state.
inline constexpr std::uint32_t kWritten = 1;

/// The dataset `block_records` (blocks, 1 + states).
h5::Handle open_records(const h5::File& file);

/// Blocks whose record bears no mark.
std::vector<std::int64_t> missing_blocks(const h5::File& file, const StoreInfo& info,
                                         const StoreLayout& layout);

}  // namespace bv
