#include "store/block_records.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "io/crc32c.hpp"

namespace bv {
namespace {

TEST(BlockRecords, HoldAChecksumForEveryFeatureAndStateOfABlock) {
    const StoreInfo info{.task = Task::span, .dtype = DType::f16, .layers = {0, 1}, .hidden_size = 4};
    const StoreLayout layout = lay_out(std::vector<std::int64_t>{2, 3, 1, 4, 2}, 2);  // blocks of 2, 2 and 1
    BlockRecords records(info, layout);
    EXPECT_EQ(records.width(), 1 + 2 * 2);
    EXPECT_EQ(records.missing(), (std::vector<std::int64_t>{0, 1, 2}));

    const auto bytes = static_cast<std::size_t>(info.states() * layout.rows_of(1) * info.row_bytes());
    std::vector<unsigned char> states(bytes);
    for (std::size_t i = 0; i < bytes; ++i) states[i] = static_cast<unsigned char>(i * 7);
    const std::vector<std::uint32_t> record = BlockRecords::of(info, layout, 1, states.data());
    ASSERT_EQ(record.size(), 5u);
    std::copy(record.begin(), record.end(), records.values().begin() + records.width());
    EXPECT_TRUE(records.written(1));
    EXPECT_EQ(records.missing(), (std::vector<std::int64_t>{0, 2}));
    for (std::int64_t i = 0; i < 2; ++i) {
        for (std::int64_t s = 0; s < 2; ++s) {
            const std::int64_t position = 2 + i;
            const std::int64_t row = s * layout.rows_of(1) + layout.row_at(position) - layout.first_row(1);
            EXPECT_EQ(records.checksum(1, i, s),
                      crc32c(&states[static_cast<std::size_t>(row * info.row_bytes())],
                             static_cast<std::size_t>(layout.rows_at(position) * info.row_bytes())));
        }
    }
    // The last block's single feature leaves the rest of its record zero.
    EXPECT_EQ(BlockRecords::of(info, layout, 2, states.data()).size(), 5u);
    EXPECT_EQ(BlockRecords::of(info, layout, 2, states.data())[3], 0u);
}

}  // namespace
}  // namespace bv
