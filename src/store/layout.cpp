#include "store/layout.hpp"

#include <algorithm>
#include <numeric>

#include "comm/sharding.hpp"
#include "core/error.hpp"

namespace bv {

std::int64_t StoreLayout::first_row(std::int64_t block) const {
    return starts[static_cast<std::size_t>(block_starts[static_cast<std::size_t>(block)])];
}

std::int64_t StoreLayout::rows_of(std::int64_t block) const {
    return starts[static_cast<std::size_t>(block_starts[static_cast<std::size_t>(block) + 1])] -
           first_row(block);
}

std::int64_t StoreLayout::first_position(std::int64_t block) const {
    return block_starts[static_cast<std::size_t>(block)];
}

std::int64_t StoreLayout::positions_of(std::int64_t block) const {
    return block_starts[static_cast<std::size_t>(block) + 1] - first_position(block);
}

StoreLayout lay_out(std::span<const std::int64_t> rows_of, std::int64_t block_features) {
    BV_EXPECT(block_features > 0);
    const auto features = static_cast<std::int64_t>(rows_of.size());
    StoreLayout layout;
    layout.original = epoch_order(/*seed=*/0, /*epoch=*/0, features);
    layout.starts.push_back(0);
    for (const std::int64_t f : layout.original) {
        layout.starts.push_back(layout.starts.back() + rows_of[static_cast<std::size_t>(f)]);
    }
    for (std::int64_t p = 0; p < features; p += block_features) layout.block_starts.push_back(p);
    layout.block_starts.push_back(features);
    return layout;
}

std::int64_t features_per_block(const StoreInfo& info, std::span<const std::int64_t> rows_of,
                                std::int64_t block_bytes) {
    const std::int64_t rows = std::accumulate(rows_of.begin(), rows_of.end(), std::int64_t{0});
    const auto fitting = [&](std::int64_t bytes, std::int64_t row_bytes) {
        const double feature =
            static_cast<double>(info.states() * rows * row_bytes) / static_cast<double>(rows_of.size());
        return static_cast<std::int64_t>(static_cast<double>(bytes) / feature);
    };
    // Elements count as 16 bits, so that the order of training does not depend on the element type.
    if (block_bytes == 0) {
        return std::clamp(fitting(kBlockBytes, 2 * info.hidden_size), kLeastBlockFeatures,
                          kMostBlockFeatures);
    }
    return std::max<std::int64_t>(1, fitting(block_bytes, info.row_bytes()));
}

}  // namespace bv
