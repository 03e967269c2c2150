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

/// An embedding store, opened for reading by one process (no MPI). FORMAT.md of this folder is the format.
/// The features' table is the group kFeaturesGroup of the same file.
class Store {
  public:
    /// Which stores a reader accepts: only a complete one, or also a damaged one that can still be opened.
    enum class Accept { complete, damaged };

    /// Throws Error naming the file when it is missing, no store, of another version, or contradicts itself;
    /// and, unless `accept` is damaged, when it is truncated or not complete yet.
    explicit Store(const std::filesystem::path& path, Accept accept = Accept::complete);
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    const std::filesystem::path& path() const { return path_; }
    const StoreInfo& info() const { return info_; }
    const StoreLayout& layout() const { return layout_; }
    const BlockRecords& records() const { return records_; }

    std::int64_t states() const { return info_.states(); }        ///< pooled output included
    std::int64_t features() const { return layout_.features(); }  ///< F
    std::int64_t rows() const { return layout_.rows(); }  ///< tokens (span) or features (classification)
    std::int64_t hidden_size() const { return info_.hidden_size; }  ///< H

    /// Bytes of all states; and where they end in the file, which is shorter only if it is truncated.
    std::int64_t state_bytes() const { return states() * rows() * info_.row_bytes(); }
    std::int64_t end() const { return offset_ + state_bytes(); }

    /// Reads the rows of `state` of the features at the positions from `first` on, one after the other in the
    /// file, each to its own place of `targets`, (rows of the feature, H) of info().dtype, and checks them
    /// against their checksums. Any number of threads may call it. Throws Error naming file and block when
    /// the disk fails or the bytes are not those that were written.
    void read(std::int64_t state, std::int64_t first, std::span<void* const> targets) const;

    /// Whether every byte of a block on disk is as it was written. Throws Error when the disk fails.
    bool sound(std::int64_t block) const;

  private:
    Store(const std::filesystem::path& path, Accept accept, const h5::File& file);

    void require_complete() const;
    std::size_t bytes_at(std::int64_t position) const;
    // As `read`, but returns the blocks whose bytes are not those that were written.
    std::vector<std::int64_t> read_and_check(std::int64_t state, std::int64_t first,
                                             std::span<void* const> targets) const;

    std::filesystem::path path_;
    StoreInfo info_;
    StoreLayout layout_;
    BlockRecords records_;
    std::vector<std::int64_t> block_of_;  // (F) block of each position
    std::int64_t offset_ = 0;             // of `states` in the file
    Descriptor descriptor_;
};

/// Group of a store that holds the table of its features, in the features file's order.
inline constexpr const char* kFeaturesGroup = "features";

}  // namespace bv
