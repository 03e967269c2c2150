#include <gmock/gmock.h>

#include "comm/communicator.hpp"

namespace bv {
namespace {

class CommunicatorTest : public testing::Test {
  protected:
    const Communicator ranks_;
};

TEST_F(CommunicatorTest, RanksAreNumberedAndShareThisHost) {
    EXPECT_GE(ranks_.rank(), 0);
    EXPECT_LT(ranks_.rank(), ranks_.size());
    EXPECT_EQ(ranks_.is_root(), ranks_.rank() == 0);
    EXPECT_EQ(ranks_.local_size(), ranks_.size());
    EXPECT_EQ(ranks_.sum(std::int64_t{1}), ranks_.size());
}

TEST_F(CommunicatorTest, ReductionsReachEveryRank) {
    const auto size = static_cast<double>(ranks_.size());
    const auto rank = static_cast<double>(ranks_.rank());
    EXPECT_EQ(ranks_.sum(rank + 0.5), size * (size - 1) / 2 + size / 2);
    EXPECT_EQ(ranks_.max(-rank), 0);
    const std::int64_t large = std::int64_t{1} << 53;
    EXPECT_EQ(ranks_.sum(large + 1), ranks_.size() * (large + 1));
}

TEST_F(CommunicatorTest, EveryRootsTextReachesEveryRank) {
    for (int root = 0; root < ranks_.size(); ++root) {
        const std::string text =
            std::string(std::size_t{1000} * static_cast<std::size_t>(root), 'x') + std::string("\0end", 4);
        EXPECT_EQ(ranks_.broadcast(ranks_.rank() == root ? text : "other", root), text);
    }
    EXPECT_EQ(ranks_.broadcast(ranks_.is_root() ? "" : "stale"), "");
}

TEST_F(CommunicatorTest, GatherKeepsTheOrderOfRanksAndEmptyTexts) {
    const auto text_of = [](int rank) {
        return rank == 1 ? std::string() : "rank " + std::string(rank + 1, 'r');
    };
    const auto all = ranks_.gather(text_of(ranks_.rank()));
    ASSERT_EQ(all.size(), static_cast<std::size_t>(ranks_.size()));
    for (int rank = 0; rank < ranks_.size(); ++rank)
        EXPECT_EQ(all[static_cast<std::size_t>(rank)], text_of(rank));
}

TEST_F(CommunicatorTest, AMistakeOfAnyRankEndsAllWithItsMessage) {
    for (int guilty = 0; guilty < ranks_.size(); ++guilty) {
        try {
            ranks_.agree([&] {
                if (ranks_.rank() == guilty) fail("rank {} found a bad file", guilty);
            });
            FAIL() << "the mistake of rank " << guilty << " went unseen";
        } catch (const AgreedError& error) {
            EXPECT_EQ(error.what(), "rank " + std::to_string(guilty) + " found a bad file");
        }
    }
}

TEST_F(CommunicatorTest, OfSeveralMistakesTheLowestRanksIsTold) {
    try {
        ranks_.agree([&] {
            if (ranks_.rank() + 2 >= ranks_.size()) fail("{}", ranks_.rank());
        });
        FAIL();
    } catch (const AgreedError& error) {
        EXPECT_EQ(error.what(), std::to_string(std::max(0, ranks_.size() - 2)));
    }
}

TEST_F(CommunicatorTest, TextsThatDifferAreAnErrorThatNamesTheRank) {
    EXPECT_NO_THROW(ranks_.require_equal("abc", "train.h5"));
    if (ranks_.size() == 1) return;
    const int last = ranks_.size() - 1;
    try {
        ranks_.require_equal(ranks_.rank() == last ? "def" : "abc", "train.h5");
        ADD_FAILURE() << "no error";
    } catch (const AgreedError& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr("train.h5 differs between the ranks: rank " +
                                                     std::to_string(last) + " on host "));
        EXPECT_THAT(error.what(), testing::HasSubstr(" has def, and rank 0 has abc"));
    }
}

TEST_F(CommunicatorTest, AgreementWithoutMistakesIsSilent) {
    int runs = 0;
    EXPECT_NO_THROW(ranks_.agree([&] { ++runs; }));
    EXPECT_EQ(runs, 1);
}

TEST_F(CommunicatorTest, RootOnlyRunsOnRankZeroAndItsMistakeEndsAll) {
    int runs = 0;
    ranks_.root_only([&] { ++runs; });
    EXPECT_EQ(runs, ranks_.is_root() ? 1 : 0);
    EXPECT_THROW(ranks_.root_only([] { fail("no such file"); }), AgreedError);
}

}  // namespace
}  // namespace bv
