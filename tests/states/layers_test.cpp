#include "states/layers.hpp"

#include <gtest/gtest.h>

#include "helpers/expect_error.hpp"

namespace bv {
namespace {

TEST(Layers, AreReadInAnyOrderAndWrittenAscending) {
    EXPECT_EQ(parse_layers("all"), Layers());
    EXPECT_EQ(parse_layers("12"), Layers(std::vector<std::int64_t>{12}));
    EXPECT_EQ(layers_text(parse_layers("12,0,7,12")), "0,7,12");
    EXPECT_EQ(layers_text(parse_layers("all")), "all");
}

TEST(Layers, AListWithAWrongItemIsRefusedByThisItem) {
    for (const char* text :
         {"", ",", "0,", ",0", "0,,1", "-1", "0, 1", "0-3", "1.0", "each", "99999999999999999999"})
        BV_EXPECT_ERROR(parse_layers(text), "is not the number of a hidden state", text);
    BV_EXPECT_ERROR(parse_layers("0,x,3"), "layers '0,x,3'", "'x'");
}

TEST(Layers, AModelHasThemOrTheyAreRefused) {
    EXPECT_EQ(layers_of_model(std::nullopt, 3), (std::vector<std::int64_t>{0, 1, 2}));
    EXPECT_EQ(layers_of_model(parse_layers("2,0"), 3), (std::vector<std::int64_t>{0, 2}));
    BV_EXPECT_ERROR(layers_of_model(parse_layers("0,3"), 3), "the layers 0,3", "to 2");
}

}  // namespace
}  // namespace bv
