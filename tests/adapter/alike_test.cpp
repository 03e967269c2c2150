#include <cmath>

#include <gtest/gtest.h>

#include "one_block.hpp"

namespace bv {
namespace {

at::Tensor forward(const OneBlock& block, const StateBatch& batch) {
    return block->forward(batch.states, {batch, std::nullopt});
}

// Blocks of one definition that read the same states: their results lie in one memory, as one computation
// leaves them, and are each one's own.
class Alike : public testing::TestWithParam<const char*> {};

TEST_P(Alike, BlocksAreOneComputation) {
    const StateBatch batch = random_states(3, 16, {4, 9, 1});
    const OneBlock one(GetParam(), {3, 16}, 1);
    const OneBlock other(GetParam(), {3, 16}, 2);
    const std::vector<at::Tensor> values =
        one->forward_alike({&*one, &*other}, batch.states, {batch, std::nullopt});
    ASSERT_EQ(values.size(), 2);
    EXPECT_TRUE(values[0].is_alias_of(values[1]));
    EXPECT_TRUE(at::allclose(values[0], forward(one, batch), 1e-5, 1e-7));
    EXPECT_TRUE(at::allclose(values[1], forward(other, batch), 1e-5, 1e-7));
    EXPECT_FALSE(at::allclose(values[0], values[1], 1e-3, 1e-5));
}

INSTANTIATE_TEST_SUITE_P(Blocks, Alike,
                         testing::Values("{ type = \"learned_pooling\" }",
                                         "{ type = \"adapter\", width = 5 }",
                                         "{ type = \"adapter\", width = 5, shared = false }",
                                         "{ type = \"conv\", filters = 4, kernel = 3, stride = 2 }",
                                         "{ type = \"conv\", filters = 4, kernel = 3, bias = false }",
                                         "{ type = \"conv\", filters = 4, kernel = 3, tokens = 3 }"));

TEST(AlikeBranches, AreThoseOfEach) {
    const StateBatch batch = random_states(3, 16, {4, 9, 1});
    for (const char* of :
         {"[{ type = \"learned_pooling\" }], [{ type = \"adapter\", width = 5 }, { type = \"flatten\" }]",
          "[{ type = \"conv\", filters = 2, kernel = 3 }], [{ type = \"relu\" }]"}) {
        const std::string toml = std::string("{ type = \"branches\", of = [") + of + "] }";
        const OneBlock one(toml, {3, 16}, 1);
        const OneBlock other(toml, {3, 16}, 2);
        const std::vector<at::Tensor> values =
            one->forward_alike({&*one, &*other}, batch.states, {batch, std::nullopt});
        EXPECT_TRUE(at::allclose(values[0], forward(one, batch), 1e-5, 1e-7));
        EXPECT_TRUE(at::allclose(values[1], forward(other, batch), 1e-5, 1e-7));
    }
}

}  // namespace
}  // namespace bv
