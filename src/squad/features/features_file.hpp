#pragma once

#include <filesystem>

#include "io/hdf5.hpp"
#include "squad/features/features.hpp"

namespace bv {

/// Writes a features file (HDF5; src/squad/FORMAT.md has its schema), which is whole or absent. Creates
/// missing parent folders. Throws Error, which names the path, if the file exists and `force` is not set, or
/// if it cannot be written.
void write_features(const std::filesystem::path& path, const Features& features, bool force);

/// Reads the features from a features file, or from an embedding store, which holds the same table. Throws
/// Error, which names the file, if it is missing, truncated, another HDF5 file, or damaged (a checksum or the
/// fingerprint is wrong), or if its table contradicts itself. A truncated store still has its features if
/// only states are missing: `truncated` = open reads them.
Features read_features(const std::filesystem::path& path,
                       h5::File::Truncated truncated = h5::File::Truncated::refuse);

/// Writes the table as group "features" of `root`. Throws Error, which names the file and the dataset.
void write_features_table(h5::Group& root, const Features& features);

}  // namespace bv
