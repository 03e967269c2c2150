#include "states/feed.hpp"

#include <utility>

#include <gtest/gtest.h>

#include "helpers/random_source.hpp"

namespace bv {
namespace {

TEST(StateFeed, GivesTheBatchesInOrderWhateverTheirGroups) {
    const RandomSource source;
    const FeatureBatches batches{{3, 17}, {}, {20, 0, 5}, {8}};
    const std::vector<std::vector<FeatureBatches>> groupings{
        {batches},
        {{batches[0]}, {batches[1], batches[2]}, {batches[3]}},
        {{batches[0]}, {}, {batches[1], batches[2], batches[3]}}};
    for (const auto& groups : groupings) {
        StateFeed feed(source, groups, at::kCPU);
        for (const auto& expected : batches) {
            const StateBatch found = feed.next();
            EXPECT_EQ(found.packed->examples, expected);
            if (expected.empty()) continue;
            EXPECT_TRUE(found.states.equal(source.read({expected}).front().states));
        }
    }
}

TEST(StateFeed, ReadsOneGroupAheadAndNoMore) {
    const std::vector<std::pair<int, int>> reads_after{{0, 1}, {1, 2}, {2, 2}, {3, 3}, {4, 4}, {5, 4}};
    for (const auto& [batches, reads] : reads_after) {
        const RandomSource source;
        {
            StateFeed feed(source, {{{1}, {2}}, {{3}}, {{4}}, {{5}}}, at::kCPU);
            for (int taken = 0; taken < batches; ++taken) feed.next();
        }  // its end waits for all that it has begun to read
        EXPECT_EQ(source.reads, reads) << batches;
    }
}

TEST(StateFeed, ReadsTheBeginningOfWhatFollowsWhileTheLastGroupIsUsed) {
    const RandomSource source;
    {
        StateFeed feed(source, {{{1}}, {{2}, {3}}}, at::kCPU);
        feed.append({{{4}, {5}}, {{6}}});
        for (int taken = 0; taken < 2; ++taken) feed.next();
    }                            // its end waits for all that it has begun to read
    EXPECT_EQ(source.reads, 3);  // the group of 4 and 5 too, though 3 has not been taken
}

TEST(StateFeed, GivesWhatFollowsInOrder) {
    const RandomSource source;
    StateFeed feed(source, {{{1}}, {{2}, {3}}}, at::kCPU);
    feed.append({{{4}, {5}}, {{6}}});
    for (const std::int64_t expected : {1, 2, 3, 4, 5, 6})
        EXPECT_EQ(feed.next().packed->examples, std::vector<std::int64_t>{expected});
}

TEST(GroupBatches, AreOfAboutTheWantedSizeInOrder) {
    const RandomSource source;  // 96 bytes a token
    FeatureBatches batches;
    for (std::int64_t f = 0; f < 21; f += 3) batches.push_back({f, f + 1, f + 2});
    const auto groups = group_batches(source, batches, 3000);
    FeatureBatches joined;
    for (const FeatureBatches& group : groups) joined.insert(joined.end(), group.begin(), group.end());
    EXPECT_EQ(joined, batches);
    EXPECT_EQ(groups.size(), 3u);  // 105 tokens in all
}

}  // namespace
}  // namespace bv
