#include "core/dtype.hpp"

#include <gmock/gmock.h>

#include "expect_error.hpp"

namespace bv {
namespace {

TEST(DType, EveryNameReadsBackAndHasItsSize) {
    const std::pair<DType, std::size_t> sizes[] = {{DType::f64, 8},  {DType::f32, 4}, {DType::f16, 2},
                                                   {DType::bf16, 2}, {DType::i64, 8}, {DType::i32, 4},
                                                   {DType::u8, 1}};
    for (const auto& [dtype, bytes] : sizes) {
        EXPECT_EQ(dtype_named(name_of(dtype)), dtype);
        EXPECT_EQ(size_of(dtype), bytes) << name_of(dtype);
    }
    EXPECT_EQ(name_of(DType::bf16), "bfloat16");
}

TEST(DType, AnUnknownNameIsAnErrorThatListsTheKnownOnes) {
    BV_EXPECT_ERROR(dtype_named("half"), "'half'", "float16", "bfloat16");
}

}  // namespace
}  // namespace bv
