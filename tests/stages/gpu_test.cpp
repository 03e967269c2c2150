// States on their way to a GPU.
#include <ATen/ATen.h>

#include "on_gpu.hpp"
#include "random_source.hpp"
#include "stages/copy_stream.hpp"
#include "stages/state_feed.hpp"

namespace bv {
namespace {

using StatesOnGpu = OnGpu<testing::Test>;

TEST_F(StatesOnGpu, AreThoseThatWereRead) {
    const RandomSource source;
    StateFeed feed(source, {{{3, 17}, {20, 0, 5}}, {{8}, {}, {1, 2}}}, device_);
    for (const std::vector<std::int64_t>& which : FeatureBatches{{3, 17}, {20, 0, 5}, {8}, {}, {1, 2}}) {
        const StateBatch found = feed.next();
        EXPECT_EQ(found.examples, which);
        if (which.empty()) continue;
        const StateBatch expected = source.read({which}).front();
        EXPECT_TRUE(found.states.cpu().equal(expected.states));
        EXPECT_TRUE(found.end_labels.cpu().equal(expected.end_labels));
    }
}

TEST_F(StatesOnGpu, ComeBackWhileTheGpuComputes) {
    CopyStream copies(device_);
    const at::Tensor values = at::randn({1 << 20});
    const at::Tensor made = host_memory({1 << 20}, at::kHalf, device_);
    EXPECT_TRUE(made.is_pinned());
    copies.to_host(values.to(device_) * 2, made);
    copies.wait();
    EXPECT_TRUE(made.equal((values * 2).to(at::kHalf)));
}

}  // namespace
}  // namespace bv
