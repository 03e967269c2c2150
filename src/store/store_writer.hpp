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

/// Local: marks blocks of an existing store as missing, so that a StoreWriter writes them again, and extends
/// a truncated file to its full size. The caller holds the lock of the file. Throws Error, which names the
/// file, for example if the disk has no space.
void mark_missing(const std::filesystem::path& path, std::span<const std::int64_t> blocks);

/// An embedding store that R ranks write through MPI-IO. Any rank may write any block.
class StoreWriter {
  public:
    /// A function that writes the table of the features as group "features" of `root`. Only rank 0 calls
    /// it.
    using WriteTable = std::function<void(h5::Group& root)>;

    /// Collective: creates the store `path`. If there is already a store with the same `layout` and `info`
    /// (except config, paths and batch_tokens), opens it to write its missing blocks. The disk space is
    /// allocated here, so that a full disk is found before any work is done. `force` replaces whatever is at
    /// `path`. `lock` is the lock of the file, which rank 0 took before it looked at `path`. Throws
    /// AgreedError, which names the path, if something else is there or the disk has no space.
    StoreWriter(const Communicator& ranks, std::optional<OutputLock> lock, const std::filesystem::path& path,
                const StoreInfo& info, const StoreLayout& layout, bool force, const WriteTable& write_table);

    /// Local: if the writer was not closed, it abandons the file without closing it. Closing needs all ranks,
    /// and some may never do it. The blocks that were written stay in the file.
    ~StoreWriter();
    StoreWriter(const StoreWriter&) = delete;
    StoreWriter& operator=(const StoreWriter&) = delete;

    /// Local: the store's file.
    const std::filesystem::path& path() const { return path_; }

    /// Local: the blocks that were not in the file when it was opened, the same on all ranks.
    const std::vector<std::int64_t>& missing() const { return missing_; }

    /// Local: writes a block. `data` is (states, rows of the block, StoreInfo::row_elements) in the store's
    /// dtype. While the caller goes on, another thread waits until the block is on disk, and then writes its
    /// record. Returns the number of bytes of the block's states. May be called by another thread than the
    /// constructor, but by one thread at a time. Throws Error, which names the path and the free space, if
    /// the disk fails for this block or failed for the one before.
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
