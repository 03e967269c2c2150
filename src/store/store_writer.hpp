#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "comm/communicator.hpp"
#include "io/hdf5.hpp"
#include "io/output_lock.hpp"
#include "store/layout.hpp"

namespace bv {

/// Local: makes blocks of an existing store missing, so that a StoreWriter writes them again, and gives a
/// truncated file its size back. The caller holds the lock of the file. Throws Error naming the file: no
/// space.
void mark_missing(const std::filesystem::path& path, std::span<const std::int64_t> blocks);

/// An embedding store that R ranks write through MPI-IO. Any rank may write any block.
class StoreWriter {
  public:
    /// Writes the table of the features as group kFeaturesGroup of `root`. Called on rank 0 alone.
    using WriteTable = std::function<void(h5::Group& root)>;

    /// Collective: creates `path`, or opens it to write its missing blocks (none, where it is complete), if
    /// it is a store with the same `info` (except the config) and `layout`. The disk's space is taken now,
    /// so that a full disk is found before any work is spent. `force` replaces whatever stands at `path`.
    /// `lock` is that of the file, which rank 0 took before it looked at `path`. Throws AgreedError naming
    /// the path: it is something else, no space.
    StoreWriter(const Communicator& ranks, std::optional<OutputLock> lock, const std::filesystem::path& path,
                const StoreInfo& info, const StoreLayout& layout, bool force, const WriteTable& write_table);

    /// Local: a writer that was not closed abandons the file without closing it, because closing needs all
    /// ranks, and some may never come. The blocks written so far stay in the file.
    ~StoreWriter();
    StoreWriter(const StoreWriter&) = delete;
    StoreWriter& operator=(const StoreWriter&) = delete;

    /// Local: the store's file.
    const std::filesystem::path& path() const { return path_; }

    /// Local: the blocks that were not in the file when it was opened, the same on all ranks.
    const std::vector<std::int64_t>& missing() const { return missing_; }

    /// Local: writes a block, (states, rows of the block, H) of the store's dtype. While the caller goes on,
    /// a thread waits until it is on disk and then writes its record. Returns the bytes of the states. May be
    /// called on another thread than the constructor, by one thread at a time. Throws Error naming the path
    /// and the space left when the disk fails, perhaps for the block before.
    std::int64_t write_block(std::int64_t block, const void* data);

    /// Collective: waits for the last record, closes the file and frees the lock. Throws as write_block.
    void close();

  private:
    struct Open;

    void commit(std::int64_t block, const std::vector<std::uint32_t>& record);
    void abandon();

    std::filesystem::path path_;
    StoreInfo info_;
    StoreLayout layout_;
    std::vector<std::int64_t> missing_;
    std::unique_ptr<Open> open_;
};

}  // namespace bv
