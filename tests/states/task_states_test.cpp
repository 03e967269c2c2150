#include "states/task_states.hpp"

#include <gtest/gtest.h>

#include "helpers/blank_features.hpp"

namespace bv {
namespace {

Features some_features() {
    std::vector<std::int64_t> lengths;
    for (std::int64_t f = 0; f < 300; ++f) lengths.push_back(100 + f * 37 % 200);
    return blank_features(lengths);
}

StoreInfo large_states(std::vector<std::int64_t> layers, DType dtype) {
    StoreInfo info;
    info.task = Task::span;
    info.dtype = dtype;
    info.layers = std::move(layers);
    info.hidden_size = 96;
    return info;
}

// The order of training follows from the layout: heads come out the same wherever their states come from.
TEST(LayOutStates, IsTheSameWhicheverLayersAreKeptInWhateverType) {
    const Features features = some_features();
    const StoreLayout all = lay_out_states(large_states({0, 1, 2, 3, 4, 5, 6}, DType::f16), 7, features, 0);
    ASSERT_GT(all.positions_of(0), kLeastBlockFeatures);
    ASSERT_LT(all.positions_of(0), kMostBlockFeatures);
    EXPECT_EQ(lay_out_states(large_states({0, 6}, DType::f16), 7, features, 0), all);
    EXPECT_EQ(lay_out_states(large_states({3}, DType::f32), 7, features, 0), all);
}

TEST(LayOutStates, BlocksOfASizeAreOfThatSize) {
    const Features features = some_features();
    constexpr std::int64_t kBytes = std::int64_t{4} << 20;
    for (const auto& layers :
         {std::vector<std::int64_t>{0, 6}, std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6}}) {
        const StoreInfo info = large_states(layers, DType::f16);
        const StoreLayout layout = lay_out_states(info, 7, features, kBytes);
        const std::int64_t bytes = layout.rows() / layout.blocks() * info.states() * info.row_bytes();
        EXPECT_NEAR(static_cast<double>(bytes), static_cast<double>(kBytes), 0.15 * kBytes);
    }
}

}  // namespace
}  // namespace bv
