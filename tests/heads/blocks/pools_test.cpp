#include "heads/blocks/pools.hpp"

#include <algorithm>
#include <vector>

#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.hpp"
#include "one_block.hpp"

namespace bv {
namespace {

/// Where TensorFlow lets the first window begin, and how many there are.
struct Windows {
    std::int64_t width, kernel, stride, first, outputs;
};

class KerasPool : public testing::TestWithParam<Windows> {};

TEST_P(KerasPool, LeavesPaddingOut) {
    const Windows& p = GetParam();
    const std::string keys = fmt::format("kernel = {}, stride = {}", p.kernel, p.stride);
    const OneBlock mean("{ type = \"pool\", " + keys + " }", {2, p.width});
    const OneBlock maximum("{ type = \"pool\", of = \"max\", " + keys + " }", {2, p.width});
    StateBatch batch = random_states(2, p.width, {3});
    batch.states -= 5;  // below the zeros of any padding
    const at::Tensor means = mean.forward(batch.states, {batch, std::nullopt});
    const at::Tensor maxima = maximum.forward(batch.states, {batch, std::nullopt});
    ASSERT_EQ(means.sizes(), at::IntArrayRef({2, 3, p.outputs}));
    ASSERT_EQ(maxima.sizes(), means.sizes());
    EXPECT_EQ(mean->output().width, p.outputs);
    for (std::int64_t o = 0; o < p.outputs; ++o) {
        const std::int64_t begin = std::max<std::int64_t>(p.first + o * p.stride, 0);
        const std::int64_t end = std::min(p.first + o * p.stride + p.kernel, p.width);
        const at::Tensor seen = batch.states.narrow(2, begin, end - begin);
        EXPECT_TRUE(at::allclose(means.select(2, o), seen.mean(2))) << o;
        EXPECT_TRUE(maxima.select(2, o).equal(seen.amax(2))) << o;
    }
}

/// Each window's gradient goes to the first of its largest values alone, as Torch's own does on the CPU.
TEST_P(KerasPool, GivesTheGradientToTheMaximum) {
    const Windows& p = GetParam();
    const OneBlock maximum(
        fmt::format("{{ type = \"pool\", of = \"max\", kernel = {}, stride = {} }}", p.kernel, p.stride),
        {2, p.width});
    StateBatch batch = random_states(2, p.width, {3});
    batch.states = (batch.states * 2).round().requires_grad_();  // some values of a window are equal
    const at::Tensor maxima = maximum.forward(batch.states, {batch, std::nullopt});
    const at::Tensor weights = at::randn_like(maxima);
    const at::Tensor found = torch::autograd::grad({(maxima * weights).sum()}, {batch.states})[0];
    at::Tensor expected = at::zeros_like(batch.states);
    for (std::int64_t o = 0; o < p.outputs; ++o) {
        const std::int64_t begin = std::max<std::int64_t>(p.first + o * p.stride, 0);
        const std::int64_t end = std::min(p.first + o * p.stride + p.kernel, p.width);
        const at::Tensor at = batch.states.detach().narrow(2, begin, end - begin).argmax(2, true) + begin;
        expected.scatter_add_(2, at, weights.narrow(2, o, 1));
    }
    EXPECT_TRUE(at::allclose(found, expected)) << found << expected;
}

INSTANTIATE_TEST_SUITE_P(Widths, KerasPool,
                         testing::Values(Windows{6, 3, 2, 0, 3},   // one too many at the end
                                         Windows{7, 3, 2, -1, 4},  // one at either end
                                         Windows{43, 3, 2, -1, 22}, Windows{6, 3, 1, -1, 6},
                                         Windows{10, 4, 4, -1, 3},  // one before, one after
                                         Windows{9, 4, 4, -1, 3},   // one before, two after
                                         Windows{11, 2, 5, 0, 3}, Windows{1, 3, 2, -1, 1}));

TEST(Pool, OfStrideOneNeedsAnOddKernel) {
    EXPECT_THAT(
        [] {
            OneBlock(R"({ type = "pool", kernel = 4 })", {1, 6});
        },
        testing::ThrowsMessage<Error>(testing::HasSubstr("odd kernel")));
}

TEST(GlobalAveragePool, IsTheMeanOfEachChannel) {
    const OneBlock block(R"({ type = "global_average_pool" })", {3, 6});
    const StateBatch batch = random_states(3, 6, {2, 2});
    const at::Tensor y = block.forward(batch.states, {batch, std::nullopt});
    EXPECT_TRUE(y.equal(batch.states.mean(2).t()));
    EXPECT_EQ(block->output(), (BlockShape{0, 3}));
}

}  // namespace
}  // namespace bv
