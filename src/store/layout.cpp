#include "store/layout.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "dist/sharding.hpp"

namespace bv {

std::int64_t StoreLayout::first_row(std::int64_t block) const {
    return starts[static_cast<std::size_t>(block_starts[static_cast<std::size_t>(block)])];
}

std::int64_t StoreLayout::rows_of(std::int64_t block) const {
    return starts[static_cast<std::size_t>(block_starts[static_cast<std::size_t>(block) + 1])] -
           first_row(block);
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

std::string list_text(std::span<const std::int64_t> numbers) {
    std::string text;
    for (const std::int64_t number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
    return text;
}

}  // namespace bv
