#include "states/reading_order.hpp"

#include <algorithm>

#include "comm/sharding.hpp"

namespace bv {

std::vector<std::vector<std::int64_t>> reading_windows(const StoreLayout& layout, std::uint64_t seed,
                                                       std::int64_t epoch) {
    const std::vector<std::int64_t> blocks = epoch_order(seed, epoch, layout.blocks());
    // For each block the number of its window.
    std::vector<std::size_t> window_of(blocks.size());
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        window_of[static_cast<std::size_t>(blocks[i])] = i / static_cast<std::size_t>(kWindowBlocks);
    }
    std::vector<std::size_t> window_of_feature(layout.original.size());
    for (std::int64_t b = 0; b < layout.blocks(); ++b) {
        for (std::int64_t i = 0; i < layout.positions_of(b); ++i) {
            const auto position = static_cast<std::size_t>(layout.first_position(b) + i);
            window_of_feature[static_cast<std::size_t>(layout.original[position])] =
                window_of[static_cast<std::size_t>(b)];
        }
    }
    // The features of all windows are shuffled at once. If the store is one window, their order is exactly
    // this shuffle.
    std::vector<std::vector<std::int64_t>> windows(
        window_of.empty() ? 0 : window_of[static_cast<std::size_t>(blocks.back())] + 1);
    for (const std::int64_t feature : epoch_order(seed, epoch, layout.features())) {
        windows[window_of_feature[static_cast<std::size_t>(feature)]].push_back(feature);
    }
    return windows;
}

}  // namespace bv
