#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "io/descriptor.hpp"
#include "store/block_records.hpp"
#include "store/layout.hpp"

namespace bv {

namespace h5 {
class File;
}

/// An embedding store, opened for reading by one process (no MPI). FORMAT.md of this folder describes the
/// format. The group "features" of the same file holds the table of the features.
class Store {
  public:
    /// Which stores a reader accepts: only a complete one, or also a damaged one that can still be opened.
    enum class Accept { complete, damaged };

    /// Throws Error, which names the file, if it is missing, is no store, has another version, or contradicts
    /// itself. Unless `accept` is damaged it also throws if the file is truncated or not complete.
    explicit Store(const std::filesystem::path& path, Accept accept = Accept::complete);
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    ~Store() = default;

    const std::filesystem::path& path() const { return path_; }
    const StoreInfo& info() const { return info_; }
    const StoreLayout& layout() const { return layout_; }
    const BlockRecords& records() const { return records_; }

    std::int64_t states() const { return info_.states(); }        ///< pooled output included
    std::int64_t features() const { return layout_.features(); }  ///< F
    std::int64_t rows() const { return layout_.rows(); }  ///< tokens (span) or features (classification)

    /// The bytes of all states. They stand at the end of the file.
    std::int64_t state_bytes() const { return states() * rows() * info_.row_bytes(); }

    /// Reads the rows of `state` for targets.size() features: those at position `first` and the positions
    /// after it. The rows of each feature go to its own target, (rows of the feature, info().row_elements())
    /// in info().dtype, and are checked against their checksum. Any number of threads may call it. Throws
    /// Error, which names the file, if the disk fails, and also the block if bytes are not those that were
    /// written.
    void read(std::int64_t state, std::int64_t first, std::span<void* const> targets) const;

    /// Whether a block is written and every byte of it on disk is as it was written. Throws Error, which
    /// names the file, if the disk fails.
    bool sound(std::int64_t block) const;

  private:
    Store(const std::filesystem::path& path, Accept accept, const h5::File& file);

    void require_complete() const;
    std::size_t bytes_at(std::int64_t position) const;
    // Reads as `read` does, but returns the blocks whose bytes are not those that were written.
    std::vector<std::int64_t> read_and_check(std::int64_t state, std::int64_t first,
                                             std::span<void* const> targets) const;

    std::filesystem::path path_;
    StoreInfo info_;
    StoreLayout layout_;
    BlockRecords records_;
    std::vector<std::int64_t> block_of_;  // (F) block of each position
    std::int64_t offset_ = 0;             // first byte of `states` in the file
    Descriptor descriptor_;
};

}  // namespace bv
