#pragma once

#include <filesystem>
#include <string_view>

namespace bv::fuzz {

// HDF5's metadata have checksums and the library is not instrumented, so mutated bytes of a file would only
// show how HDF5 refuses it. What our readers make of names, types, shapes and values that they do not expect
// is tried by files that HDF5 writes from a mutated text.

/// Writes the HDF5 file that `text` describes, a line an object:
///   /path/of/dataset TYPE SHAPE values     TYPE: u8 i32 u32 i64 f16 f32 bf16; SHAPE: 3 or 2,3; values:
///                                          numbers, or "bytes up to the end of the line; missing ones are 0
///   @/path/of/group NAME i 3               an attribute, one whole number
///   @/path/of/group NAME s text            an attribute, text up to the end of the line
/// Groups are made where they are missing. A line that is none of these is left out. Of a file larger than a
/// MiB only the first MiB is kept. Returns whether there is a file.
bool write_hdf5(const std::filesystem::path& path, std::string_view text);

}  // namespace bv::fuzz
