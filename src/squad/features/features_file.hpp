#pragma once

#include <filesystem>

#include "io/hdf5.hpp"
#include "squad/features/features.hpp"

namespace bv {

/// Writes a features file (HDF5; its schema is in src/squad/FORMAT.md) aside and renames it: it is whole or
/// absent. Creates missing parent folders. Throws Error when it exists without `force`, or cannot be written.
void write_features(const std::filesystem::path& path, const Features& features, bool force);

/// Reads the features of a features file or of an embedding store, which carries the same table. Throws Error
/// naming the file: missing, truncated, another HDF5 file, damaged (checksums tell, and name the array; or
/// the fingerprint), or a table that contradicts itself. A store of which only states are cut off still has
/// its features: `truncated` says whether they are wanted.
Features read_features(const std::filesystem::path& path,
                       h5::File::Truncated truncated = h5::File::Truncated::refuse);

/// Writes the table as group "features" of `root`.
void write_features_table(h5::Group& root, const Features& features);

}  // namespace bv
