#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "optim/gradient_sync.hpp"

namespace bv {
namespace {

TEST(GradientSync, SharesOfABatchSumToTheWholeBatchsGradient) {
    const Communicator ranks;
    const auto collective = make_collective(ranks, -1);
    const at::Tensor input =
        at::arange(24, at::kFloat).view({8, 3});  // whole numbers: sums are exact in any order
    const auto gradients_of = [&](const at::Tensor& rows, bool sum) {
        const at::Tensor weight = at::ones({2, 3});
        const at::Tensor bias = at::ones({2});
        FlatParameters flat({weight, bias}, {true, false});
        if (rows.size(0) > 0) (at::matmul(rows, weight.t()) + bias).sum().backward();
        if (sum) sum_gradients(flat, *collective);
        return flat.gradients().clone();
    };
    // The last rank has no example when there are several.
    const std::int64_t sharing = std::max(1, ranks.size() - 1);
    const std::int64_t size = (8 + sharing - 1) / sharing;
    const std::int64_t begin = std::min<std::int64_t>(8, ranks.rank() * size);
    const std::int64_t end = std::min<std::int64_t>(8, begin + size);
    const at::Tensor mine = input.narrow(0, begin, end - begin);
    EXPECT_TRUE(gradients_of(mine, true).equal(gradients_of(input, false)));
}

TEST(GradientSync, EveryRankClipsToTheSameBits) {
    const Communicator ranks;
    const auto collective = make_collective(ranks, -1);
    const at::Tensor weight = at::ones({1000});
    FlatParameters flat({weight}, {true});
    weight.grad().copy_(1.0 / (at::arange(1000, at::kFloat) + ranks.rank() + 1));
    sum_gradients(flat, *collective);
    clip_gradients(flat, 0.5);
    EXPECT_NEAR(gradient_norm(flat), 0.5, 1e-6);
    const std::string bytes(static_cast<const char*>(flat.gradients().const_data_ptr()),
                            flat.gradients().nbytes());
    EXPECT_TRUE(ranks.broadcast(bytes) == bytes);
}

}  // namespace
}  // namespace bv
