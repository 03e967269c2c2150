#include "heads/blocks/convolutions.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"
#include "one_block.hpp"

namespace bv {
namespace {

using testing::HasSubstr;

/// Where TensorFlow lets the first window begin, and how many there are.
struct Padding {
    const char* keys;
    std::int64_t width, kernel, stride, dilation, first, outputs;
};

class KerasPadding : public testing::TestWithParam<Padding> {};

TEST_P(KerasPadding, LaysTheWindowsOverTheWidth) {
    const Padding& p = GetParam();
    const OneBlock block(
        fmt::format("{{ type = \"conv\", filters = 3, kernel = {}, stride = {}, dilation = {}{} }}", p.kernel,
                    p.stride, p.dilation, p.keys),
        {2, p.width});
    block["bias"][0].copy_(at::arange(3));
    const StateBatch batch = random_states(2, p.width, {3, 2});
    const at::Tensor y = block.forward(batch.states, {batch, std::nullopt});
    ASSERT_EQ(y.sizes(), at::IntArrayRef({3, 5, p.outputs}));
    EXPECT_EQ(block->output().width, p.outputs);
    const auto x = batch.states.accessor<float, 3>();
    const at::Tensor weights = block["weight"][0];
    const auto w = weights.accessor<float, 4>();
    for (std::int64_t f = 0; f < 3; ++f) {
        for (std::int64_t n = 0; n < 5; ++n) {
            for (std::int64_t o = 0; o < p.outputs; ++o) {
                double expected = static_cast<double>(f);
                for (std::int64_t c = 0; c < 2; ++c) {
                    for (std::int64_t k = 0; k < p.kernel; ++k) {
                        const std::int64_t i = p.first + o * p.stride + k * p.dilation;
                        if (i >= 0 && i < p.width) expected += w[f][c][0][k] * x[c][n][i];
                    }
                }
                EXPECT_NEAR(y[f][n][o].item<double>(), expected, 1e-5) << f << " " << n << " " << o;
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Widths, KerasPadding,
                         testing::Values(Padding{"", 6, 3, 2, 1, 0, 3},   // one zero, at the end
                                         Padding{"", 7, 3, 2, 1, -1, 4},  // one at either end
                                         Padding{"", 6, 4, 1, 1, -1, 6},  // two at the end
                                         Padding{"", 8, 5, 4, 1, 0, 2},   //
                                         Padding{"", 6, 3, 1, 2, -2, 6},  //
                                         Padding{"", 7, 1, 2, 1, 0, 4},   //
                                         Padding{", padding = \"valid\"", 8, 3, 3, 1, 0, 2},
                                         Padding{", padding = \"valid\"", 8, 3, 1, 3, 0, 2}));

/// x (C, N, W) convolved along tokens and width by three loops over one sequence at a time.
double by_hand(const at::Tensor& states, const at::Tensor& weights, std::int64_t filter,
               std::int64_t first_row, std::int64_t rows, std::int64_t row, std::int64_t column) {
    const auto x = states.accessor<float, 3>();
    const auto w = weights.accessor<float, 4>();
    const std::int64_t above = (weights.size(2) - 1) / 2;
    const std::int64_t left = (weights.size(3) - 1) / 2;
    double sum = 0;
    for (std::int64_t c = 0; c < states.size(0); ++c) {
        for (std::int64_t t = 0; t < weights.size(2); ++t) {
            for (std::int64_t k = 0; k < weights.size(3); ++k) {
                const std::int64_t r = row + t - above;
                const std::int64_t i = column + k - left;
                if (r < 0 || r >= rows || i < 0 || i >= states.size(2)) continue;
                sum += w[filter][c][t][k] * x[c][first_row + r][i];
            }
        }
    }
    return sum;
}

TEST(Convolution, AlongTokensSeesZerosBeyondItsSequence) {
    for (const int tokens : {2, 3, 4, 7}) {
        const OneBlock block(
            fmt::format("{{ type = \"conv\", filters = 2, kernel = 2, tokens = {}, bias = false }}", tokens),
            {3, 4});
        EXPECT_FALSE(block["bias"].defined());
        const StateBatch batch = random_states(3, 4, {4, 1, 2, 6});
        const at::Tensor y = block.forward(batch.states, {batch, std::nullopt});
        ASSERT_EQ(y.sizes(), at::IntArrayRef({2, 13, 4}));
        for (std::size_t b = 0; b < 4; ++b) {
            const std::int64_t first = batch.packed->starts[b];
            const std::int64_t rows = batch.packed->rows_of(b);
            for (std::int64_t row = 0; row < rows; ++row) {
                for (std::int64_t i = 0; i < 4; ++i) {
                    EXPECT_NEAR(y[1][first + row][i].item<double>(),
                                by_hand(batch.states, block["weight"][0], 1, first, rows, row, i), 1e-5)
                        << tokens << " tokens, sequence " << b << ", row " << row;
                }
            }
        }
    }
}

TEST(SeparableConvolution, MixesChannelsOnlyAfterConvolvingEach) {
    const OneBlock block(
        R"({ type = "separable_conv", filters = 5, kernel = 3, tokens = 3, stride = 2, bias = false })",
        {3, 6});
    const StateBatch batch = random_states(3, 6, {4, 2});
    const at::Tensor y = block.forward(batch.states, {batch, std::nullopt});
    // The same function as a dense convolution whose weight is the product of the two.
    const OneBlock dense(
        R"({ type = "conv", filters = 5, kernel = 3, tokens = 3, stride = 2, bias = false })", {3, 6});
    dense["weight"].copy_(block["pointwise"] * block["depthwise"].transpose(1, 2));
    EXPECT_TRUE(at::allclose(y, dense.forward(batch.states, {batch, std::nullopt}), 1e-5, 1e-6));
}

TEST(Convolutions, StartAsKerasDraws) {
    const OneBlock conv(R"({ type = "conv", filters = 64, kernel = 3, tokens = 2 })", {32, 8});
    const double bound = std::sqrt(6.0 / (6 * 32 + 6 * 64));
    EXPECT_LE(conv["weight"].abs().max().item<double>(), bound);
    EXPECT_GE(conv["weight"].abs().max().item<double>(), 0.99 * bound);
    EXPECT_EQ(conv["bias"].abs().max().item<double>(), 0);
    const OneBlock separable(R"({ type = "separable_conv", filters = 64, kernel = 3 })", {320, 8});
    const double depthwise = std::sqrt(6.0 / (3 * 320 + 3));
    EXPECT_LE(separable["depthwise"].abs().max().item<double>(), depthwise);
    EXPECT_GE(separable["depthwise"].abs().max().item<double>(), 0.98 * depthwise);
    EXPECT_NEAR(separable["pointwise"].abs().max().item<double>(), std::sqrt(6.0 / 384), 1e-4);
}

TEST(Window, ThatDoesNotFitIsRefused) {
    EXPECT_THAT(
        [] {
            OneBlock(R"({ type = "conv", filters = 1, kernel = 4, dilation = 2, padding = "valid" })",
                     {1, 6});
        },
        testing::ThrowsMessage<Error>(HasSubstr("mine.toml:2: block 'conv' sees 7 values at a time")));
}

}  // namespace
}  // namespace bv
