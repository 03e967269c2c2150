#include "heads/shared_batch.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "heads/head_definition.hpp"
#include "helpers/random_states.hpp"

namespace bv {
namespace {

TEST(SharedBatch, IsConvertedOnceAndOnlyForHeadsThatNeedIt) {
    StateBatch read = random_states(3, 8, {2, 4});
    read.states = read.states.to(at::kHalf);
    SharedBatch batch(read);
    const Head pooling(find_head("learned_pooling"), 2, 8, {1});
    const Head adapter(find_head("adapter_64_shared"), 3, 8, {1});

    const at::Tensor in_place = batch.of(pooling, 1).states;
    EXPECT_EQ(in_place.const_data_ptr(), read.states[1].const_data_ptr());
    EXPECT_EQ(in_place.size(0), 2);

    const at::Tensor floats = batch.of(adapter, 0).states;
    EXPECT_TRUE(floats.equal(read.states.to(at::kFloat)));
    EXPECT_EQ(batch.of(adapter, 0).states.const_data_ptr(), floats.const_data_ptr());
}

TEST(SharedBatch, GivesTheSameLogitsInAnyTypeOfStates) {
    StateBatch read = random_states(3, 8, {2, 4});
    read.states = read.states.to(at::kBFloat16);
    StateBatch floats = read;
    floats.states = read.states.to(at::kFloat);
    for (const char* name : {"learned_pooling", "average_pooling", "adapter_64_shared_skip"}) {
        const Head head(find_head(name), 3, 8, {1});
        const at::Tensor logits = head.forward(SharedBatch(read).of(head, 0));
        EXPECT_TRUE(at::allclose(logits, head.forward(floats), 1e-5, 1e-6)) << name;
    }
}

}  // namespace
}  // namespace bv
