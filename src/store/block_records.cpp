#include "store/block_records.hpp"

#include <algorithm>

#include "io/crc32c.hpp"

namespace bv {
namespace {

std::int64_t record_width(const StoreInfo& info, const StoreLayout& layout) {
    std::int64_t most = 0;
    for (std::int64_t b = 0; b < layout.blocks(); ++b) most = std::max(most, layout.positions_of(b));
    return 1 + info.states() * most;
}

}  // namespace

BlockRecords::BlockRecords(const StoreInfo& info, const StoreLayout& layout)
    : states_(info.states()),
      width_(record_width(info, layout)),
      values_(static_cast<std::size_t>(layout.blocks() * width_), 0) {}

std::vector<std::int64_t> BlockRecords::missing() const {
    std::vector<std::int64_t> blocks;
    for (std::int64_t b = 0; b < static_cast<std::int64_t>(values_.size()) / width_; ++b) {
        if (!written(b)) blocks.push_back(b);
    }
    return blocks;
}

std::vector<std::uint32_t> BlockRecords::of(const StoreInfo& info, const StoreLayout& layout,
                                            std::int64_t block, const void* states) {
    std::vector<std::uint32_t> record{kWritten};
    const std::int64_t first = layout.first_row(block);
    const std::int64_t rows = layout.rows_of(block);
    for (std::int64_t i = 0; i < layout.positions_of(block); ++i) {
        const std::int64_t position = layout.first_position(block) + i;
        for (std::int64_t s = 0; s < info.states(); ++s) {
            const std::int64_t row = s * rows + layout.row_at(position) - first;
            record.push_back(crc32c(static_cast<const char*>(states) + row * info.row_bytes(),
                                    static_cast<std::size_t>(layout.rows_at(position) * info.row_bytes())));
        }
    }
    record.resize(static_cast<std::size_t>(record_width(info, layout)), 0);
    return record;
}

}  // namespace bv
