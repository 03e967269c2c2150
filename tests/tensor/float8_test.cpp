#include "tensor/float8.hpp"

#include <cmath>
#include <limits>
#include <tuple>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/dtype.hpp"

namespace bv {
namespace {

/// All finite numbers of e4m3, as Torch reads the bytes: (254).
at::Tensor all_numbers() {
    const at::Tensor bytes = at::cat({at::arange(0, 0x7F, at::kByte), at::arange(0x80, 0xFF, at::kByte)});
    return bytes.view(at::kFloat8_e4m3fn).to(at::kFloat);
}

/// Rows of one number each beside 448, so that the scale is 1: (N, 2).
at::Tensor beside_the_largest(const at::Tensor& numbers) {
    return at::stack({numbers, at::full_like(numbers, 448)}, 1);
}

at::Tensor scales_of(const at::Tensor& rows) {
    return rows.narrow(-1, 0, kFloat8ScaleBytes).contiguous().view(at::kFloat).squeeze(-1);
}

/// Bytes of the same numbers, wherever the rows lie.
void expect_both_ways_agree(const at::Tensor& rows) {
    const at::Tensor bytes = to_float8(rows);
    EXPECT_TRUE(bytes.equal(to_float8_by_torch(rows)));
    EXPECT_TRUE(decoded(bytes).equal(from_float8_by_torch(bytes)));
}

TEST(Float8, KeepsEveryNumberOfE4m3) {
    const at::Tensor rows = beside_the_largest(all_numbers());
    const at::Tensor bytes = to_float8(rows);
    EXPECT_TRUE(scales_of(bytes).equal(at::ones({254})));
    EXPECT_TRUE(decoded(bytes).equal(rows));
    expect_both_ways_agree(rows);
}

TEST(Float8, RoundsBetweenAllNeighboursAsTorchDoes) {
    const at::Tensor numbers = std::get<0>(at::_unique(all_numbers(), /*sorted=*/true));
    const at::Tensor lower = numbers.narrow(0, 0, numbers.numel() - 1);
    const at::Tensor upper = numbers.narrow(0, 1, numbers.numel() - 1);
    const at::Tensor middle = (lower + upper) / 2;  // exact: ties
    const at::Tensor inf = at::full_like(middle, std::numeric_limits<float>::infinity());
    for (const at::Tensor& values : {middle, at::nextafter(middle, inf), at::nextafter(middle, -inf)}) {
        const at::Tensor rows = beside_the_largest(values);
        EXPECT_TRUE(decoded(to_float8(rows)).equal(rows.to(at::kFloat8_e4m3fn).to(at::kFloat)));
        expect_both_ways_agree(rows);
    }
}

TEST(Float8, ErrsByAtMostASixteenthOrTheRowsSmallestStep) {
    at::manual_seed(1);
    const at::Tensor rows = at::randn({3, 50, 384}) * at::randn({3, 50, 1}).exp();
    const at::Tensor found = decoded(to_float8(rows));
    const at::Tensor step = rows.abs().amax(-1, true) / 448 / 512;
    const at::Tensor bound = at::maximum(rows.abs() / 16, step / 2) * 1.0001;
    EXPECT_TRUE((found - rows).abs().le(bound).all().item<bool>());
    EXPECT_GT((found - rows).abs().max().item<double>(), 0);
}

TEST(Float8, GivesTheSameBytesWithAndWithoutAvx512) {
    at::manual_seed(2);
    for (const std::int64_t width : {1, 7, 15, 16, 17, 24, 384, 1000}) {
        const at::Tensor rows = at::randn({70, width}) * (10 * at::randn({70, 1})).exp();
        expect_both_ways_agree(rows);
        // Rows that lie apart, and a row that begins at an odd byte.
        expect_both_ways_agree(rows.t().contiguous().t());
        const at::Tensor bytes = to_float8(rows);
        EXPECT_TRUE(decoded(bytes[1]).equal(from_float8_by_torch(bytes[1])));
        EXPECT_TRUE(decoded(bytes.narrow(0, 3, 1)).equal(from_float8_by_torch(bytes.narrow(0, 3, 1))));
    }
}

TEST(Float8, KeepsRowsOfAnySize) {
    constexpr float kMost = std::numeric_limits<float>::max();
    constexpr float kNormal = std::numeric_limits<float>::min();
    constexpr float kLeast = std::numeric_limits<float>::denorm_min();
    const at::Tensor shape = at::tensor({1.0, -0.5, 0.3, -0.001, 0.0}, at::kFloat);
    for (const float size : {kMost, std::nextafter(kMost, 0.0F), 1e30F, 1.0F, 1e-30F, 448 * kNormal}) {
        const at::Tensor row = shape * size;
        const at::Tensor found = decoded(to_float8(row));
        EXPECT_TRUE(float8_finite(to_float8(row))) << size;
        EXPECT_TRUE(at::allclose(found / size, shape, 1.0 / 16, 1.0 / 448 / 1024)) << size;
        expect_both_ways_agree(row);
    }
    // Smaller rows have the least scale.
    for (const at::Tensor& row :
         {at::zeros({20}), at::full({20}, kNormal), at::full({20}, kLeast), at::full({20}, -100 * kLeast)}) {
        EXPECT_LT((decoded(to_float8(row)) - row).abs().max().item<float>(), kNormal / 512);
        expect_both_ways_agree(row);
    }
    EXPECT_TRUE(decoded(to_float8(at::zeros({20}))).equal(at::zeros({20})));
}

TEST(Float8, FindsNumbersThatAreNotFinite) {
    for (const float wrong : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                              std::numeric_limits<float>::quiet_NaN()}) {
        at::Tensor rows = at::ones({3, 40});
        EXPECT_TRUE(float8_finite(to_float8(rows)));
        rows[1][37].fill_(wrong);
        EXPECT_FALSE(float8_finite(to_float8(rows)));
        EXPECT_FALSE(float8_finite(to_float8_by_torch(rows)));
    }
}

TEST(Float8, LeavesOtherTypesAlone) {
    const at::Tensor values = at::linspace(-3, 3, 50, at::kHalf).view({5, 10});
    EXPECT_TRUE(decoded(values).is_same(values));
}

}  // namespace
}  // namespace bv
