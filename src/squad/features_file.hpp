#pragma once

#include <filesystem>

#include "squad/features.hpp"
#include "store/hdf5.hpp"

namespace bv {

/// Writes a features file (HDF5; its schema is in src/squad/README.md) aside and renames it: it is whole or
/// absent. Creates missing parent folders. Throws Error when it exists without `force`, or cannot be written.
void write_features(const std::filesystem::path& path, const Features& features, bool force);

/// Reads the features of a features file or of an embedding store, which carries the same table. Throws Error
/// naming the file: missing, truncated, another HDF5 file, or a table that contradicts itself.
Features read_features(const std::filesystem::path& path);

/// Writes the table as group "features" of `root`. In a file opened by several ranks: Collective with equal
/// features; exactly one rank passes Data::write.
void write_features_table(h5::Group& root, const Features& features, h5::Data data = h5::Data::write);

}  // namespace bv
