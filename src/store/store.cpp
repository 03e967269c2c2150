#include "store/store.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "core/error.hpp"
#include "store/store_format.hpp"

namespace bv {

Store::Store(const std::filesystem::path& path) : path_(path) {
    const h5::File file = h5::File::open(path);
    info_ = read_info(file);
    layout_ = read_layout(file, info_);
    offset_ = offset_of_states(file);
    const std::int64_t end = offset_ + states() * rows() * row_bytes();
    const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path));
    if (size < end)
        fail("{} is truncated: it has {} bytes, its states end at byte {}", path.string(), size, end);
    if (const auto missing = missing_blocks(file, info_, layout_); !missing.empty()) {
        fail("{} is not complete: {} of its {} blocks are missing; the same bv_extract command finishes it",
             path.string(), missing.size(), layout_.blocks());
    }
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) fail("cannot open {}: {}", path.string(), std::strerror(errno));
}

Store::~Store() {
    ::close(descriptor_);
}

std::int64_t Store::row_bytes() const {
    return hidden_size() * static_cast<std::int64_t>(size_of(info_.dtype));
}

void Store::read(std::int64_t state, std::int64_t first_row, std::int64_t rows, void* out) const {
    BV_EXPECT(state >= 0 && state < states());
    BV_EXPECT(first_row >= 0 && rows >= 0 && first_row + rows <= this->rows());
    auto* target = static_cast<char*>(out);
    off_t offset = offset_ + (state * this->rows() + first_row) * row_bytes();
    for (std::int64_t left = rows * row_bytes(); left > 0;) {
        const ssize_t got = ::pread(descriptor_, target, static_cast<std::size_t>(left), offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail("cannot read {}: {}", path_.string(), std::strerror(errno));
        if (got == 0) fail("{} ends at byte {}: it was truncated while it was read", path_.string(), offset);
        target += got;
        offset += got;
        left -= got;
    }
}

}  // namespace bv
