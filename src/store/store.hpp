#pragma once

#include <cstdint>
#include <filesystem>

#include "store/layout.hpp"

namespace bv {

/// A complete embedding store, opened for reading by one process (no MPI). README.md of this folder is the
/// format. The features' table is the group kFeaturesGroup of the same file.
class Store {
  public:
    /// Throws Error naming the file when it is missing, no store, of another version, truncated, contradicts
    /// itself, or is not complete yet.
    explicit Store(const std::filesystem::path& path);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    const std::filesystem::path& path() const { return path_; }
    const StoreInfo& info() const { return info_; }
    const StoreLayout& layout() const { return layout_; }

    std::int64_t states() const { return info_.states(); }        ///< pooled output included
    std::int64_t features() const { return layout_.features(); }  ///< F
    std::int64_t rows() const { return layout_.rows(); }  ///< tokens (span) or features (classification)
    std::int64_t hidden_size() const { return info_.hidden_size; }  ///< H

    /// Positions of the store: feature at position p is features-file feature original()[p] and has the rows
    /// [starts()[p], starts()[p + 1]) of every state.
    const std::vector<std::int64_t>& starts() const { return layout_.starts; }
    const std::vector<std::int64_t>& original() const { return layout_.original; }

    /// Bytes of one row of one state: H elements of info().dtype.
    std::int64_t row_bytes() const;

    /// Reads `rows` rows of `state` from `first_row` on into `out`, (rows, H) of info().dtype. Any number of
    /// threads may call it. Throws Error naming the file when the disk fails.
    void read(std::int64_t state, std::int64_t first_row, std::int64_t rows, void* out) const;

  private:
    std::filesystem::path path_;
    StoreInfo info_;
    StoreLayout layout_;
    std::int64_t offset_ = 0;  // of `states` in the file
    int descriptor_ = -1;
};

/// Group of a store that holds the table of its features, in the features file's order.
inline constexpr const char* kFeaturesGroup = "features";

}  // namespace bv
