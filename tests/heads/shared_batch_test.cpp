#include "heads/shared_batch.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "heads/head_definition.hpp"
#include "helpers/random_states.hpp"
#include "tensor/float8.hpp"

namespace bv {
namespace {

at::Tensor as_half(const at::Tensor& states) {
    return states.to(at::kHalf);
}

at::Tensor as_bfloat16(const at::Tensor& states) {
    return states.to(at::kBFloat16);
}

using SharedBatchOf = testing::TestWithParam<at::Tensor (*)(const at::Tensor&)>;

TEST_P(SharedBatchOf, IsConvertedOnceAndOnlyForHeadsThatNeedIt) {
    StateBatch read = random_states(3, 8, {2, 4});
    read.states = GetParam()(read.states);
    SharedBatch batch(read);
    const Head pooling(find_head("learned_pooling"), 2, 8, {1});
    const Head adapter(find_head("adapter_64_shared"), 3, 8, {1});

    const at::Tensor in_place = batch.of(pooling, 1).states;
    EXPECT_EQ(in_place.const_data_ptr(), read.states[1].const_data_ptr());
    EXPECT_EQ(in_place.size(0), 2);

    const at::Tensor floats = batch.of(adapter, 0).states;
    EXPECT_TRUE(floats.equal(decoded(read.states).to(at::kFloat)));
    EXPECT_EQ(batch.of(adapter, 0).states.const_data_ptr(), floats.const_data_ptr());
}

TEST_P(SharedBatchOf, GivesTheSameLogitsInAnyTypeOfStates) {
    StateBatch read = random_states(3, 8, {2, 4});
    read.states = GetParam()(read.states);
    StateBatch floats = read;
    floats.states = decoded(read.states).to(at::kFloat);
    for (const char* name : {"learned_pooling", "average_pooling", "adapter_64_shared_skip"}) {
        const Head head(find_head(name), 3, 8, {1});
        const at::Tensor logits = head.forward(SharedBatch(read).of(head, 0));
        EXPECT_TRUE(at::allclose(logits, head.forward(floats), 1e-5, 1e-6)) << name;
    }
}

TEST_P(SharedBatchOf, GivesTheLastStateToABlockBehindAPooling) {
    StateBatch read = random_states(3, 8, {2, 4});
    read.states = GetParam()(read.states);
    StateBatch floats = read;
    floats.states = decoded(read.states).to(at::kFloat);
    const HeadDefinition definition = parse_head("pooled_skip",
                                                 "task = 'span'\nblocks = [{ type = 'learned_pooling' }, { "
                                                 "type = 'skip' }, { type = 'linear', width = 2 }]",
                                                 "test");
    const Head head(definition, 3, 8, {1});
    EXPECT_TRUE(head.reads_any_type());
    EXPECT_TRUE(at::allclose(head.forward(read), head.forward(floats), 1e-5, 1e-6));
}

INSTANTIATE_TEST_SUITE_P(Float16, SharedBatchOf, testing::Values(as_half));
INSTANTIATE_TEST_SUITE_P(BFloat16, SharedBatchOf, testing::Values(as_bfloat16));
INSTANTIATE_TEST_SUITE_P(Float8, SharedBatchOf, testing::Values(to_float8));

}  // namespace
}  // namespace bv
