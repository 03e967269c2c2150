#include "core/dtype.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include <gmock/gmock.h>

#include "helpers/expect_error.hpp"

namespace bv {
namespace {

TEST(DType, EveryNameReadsBackAndHasItsSize) {
    const std::pair<DType, std::size_t> sizes[] = {{DType::f64, 8},  {DType::f32, 4}, {DType::f16, 2},
                                                   {DType::bf16, 2}, {DType::i64, 8}, {DType::i32, 4},
                                                   {DType::u8, 1},   {DType::f8, 1}};
    for (const auto& [dtype, bytes] : sizes) {
        EXPECT_EQ(dtype_named(name_of(dtype)), dtype);
        EXPECT_EQ(size_of(dtype), bytes) << name_of(dtype);
    }
    EXPECT_EQ(name_of(DType::bf16), "bfloat16");
}

TEST(DType, AnUnknownNameIsAnErrorThatListsTheKnownOnes) {
    BV_EXPECT_ERROR(dtype_named("half"), "'half'", "float16", "bfloat16");
}

TEST(DType, InfinityAndNotANumberAreFoundInEveryFloatingType) {
    const std::pair<DType, std::uint16_t> halves[] = {{DType::f16, 0x7C00}, {DType::bf16, 0x7F80}};
    for (const auto& [dtype, infinity] : halves) {
        std::vector<std::uint16_t> values(70,
                                          static_cast<std::uint16_t>(infinity - 1));  // largest finite one
        EXPECT_TRUE(all_finite(dtype, values.data(), 70));
        for (const std::size_t place : {0U, 41U, 69U}) {
            for (const int wrong : {0, 0x8000, 1}) {  // infinity, minus infinity, not a number
                values[place] = static_cast<std::uint16_t>(infinity | wrong);
                EXPECT_FALSE(all_finite(dtype, values.data(), 70)) << name_of(dtype) << " at " << place;
                values[place] = 0;
            }
        }
    }
    std::vector<float> singles(9, std::numeric_limits<float>::max());
    EXPECT_TRUE(all_finite(DType::f32, singles.data(), 9));
    singles[8] = std::nanf("");
    EXPECT_FALSE(all_finite(DType::f32, singles.data(), 9));
}

}  // namespace
}  // namespace bv
