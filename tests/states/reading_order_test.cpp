#include "states/reading_order.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "comm/sharding.hpp"

namespace bv {
namespace {

StoreLayout layout_of(std::int64_t features, std::int64_t block_features) {
    return lay_out(std::vector<std::int64_t>(static_cast<std::size_t>(features), 3), block_features);
}

std::vector<std::int64_t> concatenated(const std::vector<std::vector<std::int64_t>>& windows) {
    std::vector<std::int64_t> all;
    for (const auto& window : windows) all.insert(all.end(), window.begin(), window.end());
    return all;
}

TEST(ReadingOrder, VisitsEveryFeatureOnceFromAFewBlocksAtATime) {
    const StoreLayout layout = layout_of(1003, 10);
    std::map<std::int64_t, std::int64_t> block_of;
    for (std::int64_t b = 0; b < layout.blocks(); ++b) {
        for (std::int64_t i = 0; i < layout.positions_of(b); ++i) {
            block_of[layout.original[static_cast<std::size_t>(layout.first_position(b) + i)]] = b;
        }
    }
    const auto windows = reading_windows(layout, 1, 0);
    ASSERT_EQ(windows.size(), 13u);  // 101 blocks, 8 at a time
    std::set<std::int64_t> seen_blocks;
    for (const auto& window : windows) {
        std::set<std::int64_t> blocks;
        for (const std::int64_t feature : window) blocks.insert(block_of.at(feature));
        EXPECT_LE(blocks.size(), static_cast<std::size_t>(kWindowBlocks));
        for (const std::int64_t block : blocks) EXPECT_TRUE(seen_blocks.insert(block).second) << block;
    }
    auto all = concatenated(windows);
    std::sort(all.begin(), all.end());
    std::vector<std::int64_t> expected(1003);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(all, expected);
}

TEST(ReadingOrder, IsAnotherOneForEverySeedAndEpochAndTheSameForEqualOnes) {
    const StoreLayout layout = layout_of(300, 10);
    EXPECT_EQ(reading_windows(layout, 1, 0), reading_windows(layout, 1, 0));
    EXPECT_NE(concatenated(reading_windows(layout, 1, 0)), concatenated(reading_windows(layout, 1, 1)));
    EXPECT_NE(concatenated(reading_windows(layout, 1, 0)), concatenated(reading_windows(layout, 2, 0)));
}

TEST(ReadingOrder, OfAStoreOfOneWindowIsAFullShuffle) {
    const StoreLayout layout = layout_of(300, 100);
    EXPECT_EQ(concatenated(reading_windows(layout, 4, 2)), epoch_order(4, 2, 300));
}

/// Neighbours in the features file share a paragraph; here twelve in a row do.
TEST(ReadingOrder, ABatchMixesParagraphs) {
    constexpr std::int64_t kParagraph = 12;
    constexpr std::size_t kBatch = 16;
    const StoreLayout layout = layout_of(6000, 8);
    const auto order = concatenated(reading_windows(layout, 1, 0));
    std::size_t paragraphs = 0;
    std::size_t batches = 0;
    for (std::size_t first = 0; first + kBatch <= order.size(); first += kBatch, ++batches) {
        std::set<std::int64_t> in_batch;
        for (std::size_t i = first; i < first + kBatch; ++i) in_batch.insert(order[i] / kParagraph);
        EXPECT_GE(in_batch.size(), kBatch - 5) << "batch " << batches;
        paragraphs += in_batch.size();
    }
    // Of 16 drawn at random from 500 paragraphs, 15.76 are distinct on average.
    EXPECT_GT(static_cast<double>(paragraphs) / static_cast<double>(batches), 15.6);
}

}  // namespace
}  // namespace bv
