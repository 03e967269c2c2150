#include "store/store.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <fmt/ranges.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/error.hpp"
#include "io/crc32c.hpp"
#include "io/hdf5.hpp"
#include "io/paths.hpp"
#include "store/store_format.hpp"

namespace bv {
namespace {

/// Reads until `parts` are full or the file ends. Returns the number of bytes read.
std::int64_t read_into(int descriptor, std::int64_t offset, std::vector<iovec> parts,
                       const std::filesystem::path& path) {
    std::int64_t all = 0;
    for (std::size_t next = 0; next < parts.size();) {
        const auto count = static_cast<int>(std::min<std::size_t>(parts.size() - next, IOV_MAX));
        const ssize_t got = ::preadv(descriptor, &parts[next], count, offset + all);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail("cannot read {}: {}", path.string(), std::strerror(errno));
        if (got == 0) break;
        all += got;
        auto left = static_cast<std::size_t>(got);
        while (next < parts.size() && left >= parts[next].iov_len) left -= parts[next++].iov_len;
        if (left > 0) {
            parts[next].iov_base = static_cast<char*>(parts[next].iov_base) + left;
            parts[next].iov_len -= left;
        }
    }
    return all;
}

h5::File open_file(const std::filesystem::path& path, Store::Accept accept) {
    h5::File file = h5::File::open(path, h5::File::Truncated::open);
    hsize_t whole = 0;
    h5::check(H5Fget_filesize(file.id(), &whole), fmt::format("cannot tell the size of {}", path.string()));
    const auto size = file_bytes(path);
    if (accept == Store::Accept::complete && size < whole) {
        fail("{} is truncated: it has {} of its {} bytes; bv_store repair mends it if only states are lost",
             path.string(), size, whole);
    }
    return file;
}

}  // namespace

Store::Store(const std::filesystem::path& path, Accept accept)
    : Store(path, accept, open_file(path, accept)) {}

Store::Store(const std::filesystem::path& path, Accept accept, const h5::File& file)
    : path_(path),
      info_(read_info(file)),
      layout_(read_layout(file, info_)),
      records_(read_records(file, info_, layout_)),
      offset_(offset_of_states(file)) {
    if (accept == Accept::complete) require_complete();
    block_of_.reserve(static_cast<std::size_t>(features()));
    for (std::int64_t b = 0; b < layout_.blocks(); ++b) {
        block_of_.insert(block_of_.end(), static_cast<std::size_t>(layout_.positions_of(b)), b);
    }
    descriptor_ = Descriptor(path, O_RDONLY);
    if (!descriptor_.ok()) fail("cannot open {}: {}", path.string(), std::strerror(errno));
}

void Store::require_complete() const {
    if (const auto missing = records_.missing(); !missing.empty()) {
        fail("{} is not complete: {} of its {} blocks are missing; the same bv_extract command finishes it",
             path_.string(), missing.size(), layout_.blocks());
    }
}

std::vector<std::int64_t> Store::read_and_check(std::int64_t state, std::int64_t first,
                                                std::span<void* const> targets) const {
    BV_EXPECT(state >= 0 && state < states());
    const auto count = static_cast<std::int64_t>(targets.size());
    BV_EXPECT(first >= 0 && first + count <= features());
    std::vector<iovec> parts;
    for (std::int64_t i = 0; i < count; ++i) {
        parts.push_back({targets[static_cast<std::size_t>(i)], bytes_at(first + i)});
    }
    const std::int64_t row = state * rows() + layout_.row_at(first);
    std::int64_t left =
        read_into(descriptor_.get(), offset_ + row * info_.row_bytes(), std::move(parts), path_);

    std::vector<std::int64_t> damaged;
    for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t position = first + i;
        const std::size_t bytes = bytes_at(position);
        const std::int64_t block = block_of_[static_cast<std::size_t>(position)];
        left -= static_cast<std::int64_t>(bytes);
        if (left < 0 || crc32c(targets[static_cast<std::size_t>(i)], bytes) !=
                            records_.checksum(block, position - layout_.first_position(block), state)) {
            damaged.push_back(block);
        }
    }
    damaged.erase(std::unique(damaged.begin(), damaged.end()), damaged.end());
    return damaged;
}

void Store::read(std::int64_t state, std::int64_t first, std::span<void* const> targets) const {
    const std::vector<std::int64_t> damaged = read_and_check(state, first, targets);
    if (damaged.empty()) return;
    fail("{} is damaged: state {} of block {} is not what was written; bv_store repair mends it",
         path_.string(), state, fmt::join(damaged, ", "));
}

bool Store::sound(std::int64_t block) const {
    if (!records_.written(block)) return false;
    const auto rows = static_cast<std::size_t>(layout_.rows_of(block));
    // Checked before memory is allocated: in a file that was cut short the metadata may promise a block of
    // any size.
    const std::int64_t last =
        (states() - 1) * this->rows() + layout_.first_row(block) + layout_.rows_of(block);
    if (offset_ + last * info_.row_bytes() > static_cast<std::int64_t>(std::filesystem::file_size(path_)))
        return false;
    const std::size_t bytes = rows * static_cast<std::size_t>(info_.row_bytes());
    const auto buffer = std::make_unique_for_overwrite<char[]>(bytes);
    std::vector<void*> targets;
    char* target = buffer.get();
    for (std::int64_t i = 0; i < layout_.positions_of(block); ++i) {
        targets.push_back(target);
        target += bytes_at(layout_.first_position(block) + i);
    }
    for (std::int64_t s = 0; s < states(); ++s) {
        if (!read_and_check(s, layout_.first_position(block), targets).empty()) return false;
    }
    return true;
}

std::size_t Store::bytes_at(std::int64_t position) const {
    return static_cast<std::size_t>(layout_.rows_at(position) * info_.row_bytes());
}

}  // namespace bv
