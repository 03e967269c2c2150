#include <gmock/gmock.h>

#include "comm/hosts.hpp"
#include "core/parallel.hpp"
#include "device/cores.hpp"
#include "device/gpus.hpp"

namespace bv {
namespace {

class GpusOfRanks : public testing::Test {
  protected:
    const Communicator ranks_;
};

TEST_F(GpusOfRanks, AreTheirNumbersAmongThoseThatAllSee) {
    EXPECT_EQ(agree_on_gpu({"host", {"A", "B", "C", "D"}}, ranks_), ranks_.rank());
}

TEST_F(GpusOfRanks, AreTheOnesThatALauncherShowsThem) {
    EXPECT_EQ(agree_on_gpu({"host", {"GPU-" + std::to_string(ranks_.rank())}}, ranks_), 0);
}

TEST_F(GpusOfRanks, AreNoneWhereNoRankSeesAny) {
    EXPECT_EQ(agree_on_gpu({"host", {}}, ranks_), std::nullopt);
}

TEST_F(GpusOfRanks, AreAllOrNone) {
    if (ranks_.size() == 1) GTEST_SKIP() << "one rank is always of one mind";
    const bool last = ranks_.rank() + 1 == ranks_.size();
    try {
        agree_on_gpu(
            last ? RanksGpus{"dark", {}} : RanksGpus{"bright", {"GPU-" + std::to_string(ranks_.rank())}},
            ranks_);
        FAIL() << "some ranks on GPUs and one on a CPU went unseen";
    } catch (const AgreedError& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr("(host dark)"));
    }
}

TEST_F(GpusOfRanks, AreNotShared) {
    if (ranks_.size() == 1) GTEST_SKIP() << "one rank shares with none";
    EXPECT_THROW(agree_on_gpu({"host", {"the only one"}}, ranks_), AgreedError);
}

TEST_F(GpusOfRanks, HostsAreThoseOfTheirLowestRanks) {
    EXPECT_EQ(hosts_of(ranks_), std::vector<int>(static_cast<std::size_t>(ranks_.size()), 0));
}

// The launcher of the tests binds nobody.
TEST_F(GpusOfRanks, CoresAreDividedAmongTheRanksOfAHost) {
    EXPECT_EQ(share_of_cores(ranks_), std::max(1, available_cores() / ranks_.size()));
}

}  // namespace
}  // namespace bv
