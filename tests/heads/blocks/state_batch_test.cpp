#include "heads/blocks/state_batch.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "helpers/random_states.hpp"

namespace bv {
namespace {

TEST(StateBatch, WithSomeStatesSharesTheirMemory) {
    const StateBatch batch = random_states(4, 2, {4, 9});
    const StateBatch part = batch.with_states(1, 2);
    EXPECT_TRUE(part.states.equal(batch.states.narrow(0, 1, 2)));
    EXPECT_EQ(part.states.const_data_ptr(), batch.states[1].const_data_ptr());
    EXPECT_EQ(part.packed, batch.packed);
}

TEST(HeadLoss, OfASpanIsTheCrossEntropyOverItsOwnRowsAlone) {
    const StateBatch batch = random_states(1, 2, {4, 9});
    // Equal logits: each position of a sequence of T rows has probability 1 / T, for the start and for the
    // end.
    const double loss = head_loss(Task::span, batch, at::zeros({1, 13, 2})).item<double>();
    EXPECT_NEAR(loss, 2 * std::log(4.0) + 2 * std::log(9.0), 1e-5);
}

TEST(HeadLoss, OfASpanFallsWhereItsLabelsRise) {
    const StateBatch batch = random_states(1, 2, {4, 9});  // labels: (0, 0) and (4, 8) of their own sequences
    const at::Tensor logits = at::zeros({1, 13, 2});
    logits[0][0][0] = 50;
    logits[0][0][1] = 50;
    logits[0][4 + 4][0] = 50;
    logits[0][4 + 8][1] = 50;
    EXPECT_NEAR(head_loss(Task::span, batch, logits).item<double>(), 0, 1e-6);
}

TEST(HeadLoss, OfABatchIsTheSumOverItsSequences) {
    for (const Task task : {Task::span, Task::classification}) {
        const bool span = task == Task::span;
        const StateBatch batch = random_states(
            1, 2, span ? std::vector<std::int64_t>{3, 5, 1} : std::vector<std::int64_t>{1, 1, 1});
        const at::Tensor logits = at::randn({1, batch.rows(), 2});
        double sum = 0;
        for (std::int64_t b = 0; b < batch.sequences(); ++b) {
            const StateBatch one = alone(batch, b);
            sum += head_loss(task, one,
                             logits.narrow(1, batch.packed->starts[static_cast<std::size_t>(b)], one.rows()))
                       .item<double>();
        }
        EXPECT_NEAR(head_loss(task, batch, logits).item<double>(), sum, 1e-5) << to_string(task);
    }
}

TEST(HeadLoss, OfSeveralHeadsIsThatOfEach) {
    for (const Task task : {Task::span, Task::classification}) {
        const bool span = task == Task::span;
        const StateBatch batch = random_states(
            1, 2, span ? std::vector<std::int64_t>{3, 5, 1} : std::vector<std::int64_t>{1, 1, 1});
        const at::Tensor logits = at::randn({2, batch.rows(), 2});
        const at::Tensor losses = head_loss(task, batch, logits);
        for (std::int64_t k = 0; k < 2; ++k) {
            EXPECT_NEAR(losses[k].item<double>(),
                        head_loss(task, batch, logits.narrow(0, k, 1)).item<double>(), 1e-5)
                << to_string(task);
        }
    }
}

}  // namespace
}  // namespace bv
