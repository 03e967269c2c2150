#pragma once

#include <cstdint>

#include "io/hdf5.hpp"
#include "store/block_records.hpp"
#include "store/layout.hpp"

namespace bv {

/// The store's format in HDF5's terms, shared by writer and reader; FORMAT.md of this folder describes it.
/// All functions throw Error, which names the file and its fault.

/// The element type of `states` in the file and in memory: IEEE half, single, bfloat16 as a
/// custom type, or uint8 for the bytes of float8.
h5::Handle state_type(DType dtype);

/// Local: writes the attributes and the small arrays, and creates `states` (allocated, not filled) and the
/// block records (zeros).
void write_header(h5::File& file, const StoreInfo& info, const StoreLayout& layout);

/// Reads the attributes and `layers`. A store of an unknown version is an error.
StoreInfo read_info(const h5::File& file);

/// Reads the layout. Checks that the arrays fit each other and `states`, and that the element type of
/// `states` is that of `info`.
StoreLayout read_layout(const h5::File& file, const StoreInfo& info);

/// The dataset `states` (states, rows, StoreInfo::row_elements), and the byte of the file at which it begins.
h5::Handle open_states(const h5::File& file);
std::int64_t offset_of_states(const h5::File& file);

/// The dataset `block_records` (blocks, width of a record; see BlockRecords).
h5::Handle open_records(const h5::File& file);

/// Reads the dataset `block_records`.
BlockRecords read_records(const h5::File& file, const StoreInfo& info, const StoreLayout& layout);

}  // namespace bv
