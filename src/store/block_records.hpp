#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "store/layout.hpp"

namespace bv {

/// The records of a store's blocks, as `block_records` holds them. A record is a mark, and then, for each
/// feature of the block in turn, the CRC-32C of the feature's rows in each state. So a reader of one
/// feature in one layer can check just these rows.
class BlockRecords {
  public:
    /// All records are zero: no block is written.
    BlockRecords(const StoreInfo& info, const StoreLayout& layout);

    /// The number of elements of one record: 1 + states * (features of the largest block).
    std::int64_t width() const { return width_; }

    /// (blocks, width) All records, row-major.
    std::vector<std::uint32_t>& values() { return values_; }
    const std::vector<std::uint32_t>& values() const { return values_; }

    bool written(std::int64_t block) const { return record(block)[0] == kWritten; }

    /// Blocks that are not written.
    std::vector<std::int64_t> missing() const;

    /// The CRC-32C of the rows of `state` of the feature at place `i` of a block.
    std::uint32_t checksum(std::int64_t block, std::int64_t i, std::int64_t state) const {
        return record(block)[static_cast<std::size_t>(1 + i * states_ + state)];
    }

    /// Makes the record of a written block: (width). `states` holds the block's states (states, rows of the
    /// block, StoreInfo::row_elements) in the store's dtype.
    static std::vector<std::uint32_t> of(const StoreInfo& info, const StoreLayout& layout, std::int64_t block,
                                         const void* states);

  private:
    static constexpr std::uint32_t kWritten = 1;

    std::span<const std::uint32_t> record(std::int64_t block) const {
        return std::span(values_).subspan(static_cast<std::size_t>(block * width_),
                                          static_cast<std::size_t>(width_));
    }

    std::int64_t states_;
    std::int64_t width_;
    std::vector<std::uint32_t> values_;
};

}  // namespace bv
