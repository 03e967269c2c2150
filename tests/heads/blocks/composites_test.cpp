#include "heads/blocks/composites.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"
#include "one_block.hpp"

namespace bv {
namespace {

using testing::HasSubstr;

at::Tensor run(const OneBlock& block, const at::Tensor& x, const StateBatch& batch) {
    return block.forward(x, {batch, std::nullopt});
}

TEST(Residual, AddsWhatItsBlocksAndItsShortcutMake) {
    const StateBatch batch = random_states(2, 6, {3});
    const OneBlock identity(R"({ type = "residual", blocks = [{ type = "relu" }] })", {2, 6});
    EXPECT_TRUE(run(identity, batch.states, batch).equal(at::relu(batch.states) + batch.states));
    const OneBlock both(
        R"({ type = "residual", blocks = [{ type = "global_average_pool" }], shortcut = [
             { type = "average_pooling" }, { type = "linear", width = 2 }] })",
        {2, 6});
    const at::Tensor expected =
        batch.states.mean(2).t() + at::linear(batch.states.mean(0), both["shortcut.1.linear.weight"][0]);
    EXPECT_TRUE(at::allclose(run(both, batch.states, batch), expected));
}

TEST(Branches, StandSideBySide) {
    const StateBatch batch = random_states(3, 6, {3});
    const OneBlock images(
        R"({ type = "branches", of = [[{ type = "relu" }], [{ type = "conv", filters = 2 }]] })", {3, 6});
    EXPECT_EQ(images->output(), (BlockShape{5, 6}));
    const at::Tensor y = run(images, batch.states, batch);
    EXPECT_TRUE(y.narrow(0, 0, 3).equal(at::relu(batch.states)));
    EXPECT_TRUE(
        at::allclose(y[3], at::einsum("c,cnw->nw", {images["1.0.conv.weight"][0][0].flatten(), batch.states}),
                     1e-5, 1e-6));
    const OneBlock vectors(
        R"({ type = "branches", of = [[{ type = "average_pooling" }], [{ type = "global_average_pool" }]] })",
        {3, 6});
    EXPECT_EQ(vectors->output(), (BlockShape{0, 9}));
    EXPECT_TRUE(at::allclose(run(vectors, batch.states, batch),
                             at::cat({batch.states.mean(0), batch.states.mean(2).t()}, 1), 1e-5, 1e-6));
}

TEST(Repeat, HasTensorsOfItsOwnEachTime) {
    const OneBlock block(R"({ type = "repeat", times = 2, blocks = [{ type = "conv", filters = 3 }] })",
                         {2, 6});
    EXPECT_EQ(block["0.0.conv.weight"].sizes(), at::IntArrayRef({1, 3, 2, 1, 1}));
    EXPECT_EQ(block["1.0.conv.weight"].sizes(), at::IntArrayRef({1, 3, 3, 1, 1}));
    const StateBatch batch = random_states(2, 6, {3});
    const at::Tensor weight =
        at::mm(block["1.0.conv.weight"][0].flatten(1), block["0.0.conv.weight"][0].flatten(1));
    EXPECT_TRUE(at::allclose(run(block, batch.states, batch),
                             at::einsum("fc,cnw->fnw", {weight, batch.states}), 1e-5, 1e-6));
}

TEST(Unflatten, UndoesFlatten) {
    const StateBatch batch = random_states(3, 4, {5});
    const at::Tensor flat = run(OneBlock(R"({ type = "flatten" })", {3, 4}), batch.states, batch);
    EXPECT_TRUE(
        run(OneBlock(R"({ type = "unflatten", channels = 3 })", {0, 12}), flat, batch).equal(batch.states));
}

TEST(Composites, NameWhatDoesNotFit) {
    EXPECT_THAT(
        [] {
            OneBlock(R"({ type = "residual", blocks = [{ type = "conv", filters = 3 }] })", {2, 6});
        },
        testing::ThrowsMessage<Error>(HasSubstr(
            "mine.toml:2: the two parts of a residual must have the same shape, but its blocks give "
            "3 channels of width 6 and its shortcut gives 2 channels of width 6")));
    EXPECT_THAT(
        [] {
            OneBlock(R"({ type = "branches", of = [[{ type = "relu" }], [{ type = "flatten" }]] })", {2, 6});
        },
        testing::ThrowsMessage<Error>(HasSubstr("give 2 channels of width 6 and width 12")));
    EXPECT_THAT(
        [] {
            OneBlock(R"({ type = "unflatten", channels = 5 })", {0, 12});
        },
        testing::ThrowsMessage<Error>(HasSubstr("5 channels do not divide")));
}

}  // namespace
}  // namespace bv
