#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "optim/gradient_sync.hpp"

namespace bv {
namespace {

/// Two layers; whole numbers, so that sums are exact in any order.
struct Network {
    at::Tensor first = at::ones({4, 3});
    at::Tensor bias = at::ones({4});
    at::Tensor second = at::ones({2, 4});
    at::Tensor unused = at::ones({5});
    FlatParameters flat;

    explicit Network(std::int64_t bucket)
        : flat({first, bias, second, unused}, {true, false, true, false}, bucket) {}

    void backward(const at::Tensor& rows) const {
        at::matmul(at::matmul(rows, first.t()) + bias, second.t()).sum().backward();
    }
};

TEST(GradientSync, SharesOfABatchSumToTheWholeBatchsGradient) {
    const Communicator ranks;
    Collective& collective = make_collective(ranks, -1);
    const at::Tensor input = at::arange(24, at::kFloat).view({8, 3});
    const Network whole(1000);
    whole.backward(input);
    // The last rank has no example when there are several.
    const std::int64_t sharing = std::max(1, ranks.size() - 1);
    const std::int64_t size = (8 + sharing - 1) / sharing;
    const std::int64_t begin = std::min<std::int64_t>(8, ranks.rank() * size);
    const std::int64_t end = std::min<std::int64_t>(8, begin + size);
    for (const std::int64_t bucket : {1, 10, 1000}) {  // a bucket a parameter; some; one for all
        Network network(bucket);
        GradientSync sync(network.flat, collective);
        for (int step = 0; step < 2; ++step) {
            network.flat.zero_gradients();
            for (std::int64_t row = begin; row < end;
                 ++row) {  // a pass an example: only the last may be summed
                if (row + 1 == end) sync.begin_last_pass();
                network.backward(input.narrow(0, row, 1));
            }
            sync.finish();
            EXPECT_TRUE(network.first.grad().equal(whole.first.grad())) << bucket;
            EXPECT_TRUE(network.bias.grad().equal(whole.bias.grad())) << bucket;
            EXPECT_TRUE(network.second.grad().equal(whole.second.grad())) << bucket;
            EXPECT_EQ(network.unused.grad().abs().sum().item<float>(), 0) << bucket;
        }
    }
}

/// Remembers which sums were started.
class Recorder final : public Collective {
  public:
    std::string_view name() const override { return "recorder"; }
    void all_reduce(float*, std::int64_t) override {}
    void start_all_reduce(float* data, std::int64_t count) override { started.emplace_back(data, count); }
    void poll() override {}
    void wait() override {}
    void broadcast(float*, std::int64_t, int) override {}

    std::vector<std::pair<float*, std::int64_t>> started;
};

TEST(GradientSync, BucketsStartDuringTheLastPassLastLayerFirst) {
    Recorder recorder;
    const at::Tensor first = at::ones({4, 3});
    const at::Tensor second = at::ones({2, 4});
    FlatParameters flat({first, second}, {true, true}, 1);
    GradientSync sync(flat, recorder);
    const auto backward = [&] {
        at::matmul(at::matmul(at::ones({1, 3}), first.t()), second.t()).sum().backward();
    };
    backward();
    EXPECT_TRUE(recorder.started.empty());
    sync.begin_last_pass();
    backward();
    const auto of = [&](std::size_t b) {
        return std::pair{flat.gradients().data_ptr<float>() + flat.buckets()[b].offset,
                         flat.buckets()[b].length};
    };
    EXPECT_THAT(recorder.started, testing::ElementsAre(of(0), of(1)));
    EXPECT_EQ(flat.buckets()[0].parameters, std::vector<std::size_t>{1});
    sync.finish();
    EXPECT_EQ(recorder.started.size(), 2U);
}

TEST(GradientSync, EveryRankClipsToTheSameBits) {
    const Communicator ranks;
    Collective& collective = make_collective(ranks, -1);
    const at::Tensor weight = at::ones({1000});
    FlatParameters flat({weight}, {true});
    weight.grad().copy_(1.0 / (at::arange(1000, at::kFloat) + ranks.rank() + 1));
    GradientSync(flat, collective).finish();
    clip_gradients(flat, 0.5);
    EXPECT_NEAR(gradient_norm(flat), 0.5, 1e-6);
    const std::string bytes(static_cast<const char*>(flat.gradients().const_data_ptr()),
                            flat.gradients().nbytes());
    EXPECT_TRUE(ranks.broadcast(bytes) == bytes);
}

}  // namespace
}  // namespace bv
