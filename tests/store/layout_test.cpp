#include "store/layout.hpp"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

namespace bv {
namespace {

std::vector<std::int64_t> some_lengths(std::int64_t count) {
    std::vector<std::int64_t> lengths;
    for (std::int64_t f = 0; f < count; ++f) lengths.push_back(3 + f * 7 % 11);
    return lengths;
}

TEST(Layout, GivesEveryFeatureItsOwnRows) {
    const auto lengths = some_lengths(100);
    const StoreLayout layout = lay_out(lengths, 16);
    auto sorted = layout.original;
    std::sort(sorted.begin(), sorted.end());
    std::vector<std::int64_t> all(100);
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(sorted, all);
    for (std::size_t p = 0; p < 100; ++p) {
        EXPECT_EQ(layout.starts[p + 1] - layout.starts[p],
                  lengths[static_cast<std::size_t>(layout.original[p])]);
    }
    EXPECT_EQ(layout.rows(), std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0}));
}

TEST(Layout, BlocksDivideTheRows) {
    const StoreLayout layout = lay_out(some_lengths(100), 16);
    ASSERT_EQ(layout.blocks(), 7);
    std::int64_t row = 0;
    for (std::int64_t b = 0; b < layout.blocks(); ++b) {
        EXPECT_EQ(layout.first_row(b), row);
        EXPECT_GT(layout.rows_of(b), 0);
        row += layout.rows_of(b);
    }
    EXPECT_EQ(row, layout.rows());
}

TEST(Layout, IsTheSameEveryTime) {
    EXPECT_EQ(lay_out(some_lengths(50), 8), lay_out(some_lengths(50), 8));
}

TEST(Layout, SeparatesNeighbours) {
    const StoreLayout layout = lay_out(some_lengths(1000), 64);
    int neighbours = 0;
    for (std::size_t p = 1; p < layout.original.size(); ++p) {
        if (std::abs(layout.original[p] - layout.original[p - 1]) == 1) ++neighbours;
    }
    EXPECT_LT(neighbours, 10);  // a random permutation of 1000 has about two
}

TEST(Layout, BlocksHaveAboutTheWantedSizeAndAtLeastOneFeature) {
    const StoreInfo info{.task = Task::span, .dtype = DType::f16, .layers = {0, 1, 2}, .hidden_size = 16};
    const std::vector<std::int64_t> rows(1000, 10);  // 960 bytes a feature
    const std::vector<std::int64_t> long_rows(1000, 2000);
    const std::vector<std::int64_t> longest_rows(1000, 100000);
    EXPECT_EQ(features_per_block(info, rows, 9600), 10);
    EXPECT_EQ(features_per_block(info, rows, 10559), 10);
    EXPECT_EQ(features_per_block(info, rows, 1), 1);
    EXPECT_EQ(features_per_block(info, rows, 0), kMostBlockFeatures);
    EXPECT_EQ(features_per_block(info, long_rows, 0), kBlockBytes / 192000);
    EXPECT_EQ(features_per_block(info, longest_rows, 0), kLeastBlockFeatures);
    StoreInfo single = info;
    single.dtype = DType::f32;
    EXPECT_EQ(features_per_block(single, long_rows, 0), features_per_block(info, long_rows, 0));
    StoreInfo byte = info;
    byte.dtype = DType::f8;
    EXPECT_EQ(byte.row_bytes(), 16 + 4);
    EXPECT_EQ(features_per_block(byte, rows, 6000), 10);
    EXPECT_EQ(features_per_block(byte, long_rows, 0), features_per_block(info, long_rows, 0));
}

}  // namespace
}  // namespace bv
