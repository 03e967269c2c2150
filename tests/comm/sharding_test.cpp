#include "comm/sharding.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>

#include <gmock/gmock.h>

namespace bv {
namespace {

std::vector<std::int64_t> tokens_of(std::int64_t count) {
    std::vector<std::int64_t> tokens(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < tokens.size(); ++i)
        tokens[i] = 16 + static_cast<std::int64_t>(i * 7919 % 371);
    return tokens;
}

std::int64_t load(const std::vector<std::int64_t>& share, const std::vector<std::int64_t>& tokens) {
    return std::accumulate(share.begin(), share.end(), std::int64_t{0},
                           [&](std::int64_t sum, std::int64_t example) {
                               return sum + tokens[static_cast<std::size_t>(example)];
                           });
}

TEST(Sharding, AnEpochsOrderIsAPermutation) {
    for (const std::int64_t count : {0, 1, 2, 1000}) {
        auto order = epoch_order(7, 3, count);
        std::sort(order.begin(), order.end());
        std::vector<std::int64_t> wanted(static_cast<std::size_t>(count));
        std::iota(wanted.begin(), wanted.end(), 0);
        EXPECT_EQ(order, wanted);
    }
}

TEST(Sharding, AnOrderDependsOnSeedAndEpochAndOnNothingElse) {
    EXPECT_EQ(epoch_order(7, 3, 100), epoch_order(7, 3, 100));
    std::set<std::vector<std::int64_t>> orders;
    for (const std::uint64_t seed : {0, 1, 2, 3}) {
        for (const std::int64_t epoch : {0, 1, 2, 3}) orders.insert(epoch_order(seed, epoch, 100));
    }
    EXPECT_EQ(orders.size(), 16U);
}

TEST(Sharding, TheLawIsThePublishedOne) {
    // Sorted by mix(mix(7) + 2^32 * 1 + index), computed apart from this code: stored runs must stay
    // reproducible.
    EXPECT_THAT(epoch_order(7, 1, 8), testing::ElementsAre(7, 5, 6, 3, 2, 4, 1, 0));
}

TEST(Sharding, OrdersShowNoTrend) {
    // The mean place of the first half of 1000 examples is 500 +- 9 (one deviation); five allowed.
    const auto order = epoch_order(1, 0, 1000);
    double sum = 0;
    for (std::size_t place = 0; place < order.size(); ++place) {
        if (order[place] < 500) sum += static_cast<double>(place);
    }
    EXPECT_NEAR(sum / 500, 499.5, 46);
}

TEST(Sharding, EveryExampleIsInExactlyOneBatchOfAnEpoch) {
    for (const std::int64_t count : {1, 7, 8, 9, 100}) {
        const auto order = epoch_order(1, 2, count);
        std::vector<std::int64_t> seen;
        for (std::int64_t step = 0; step < steps_per_epoch(count, 8); ++step) {
            const auto batch = batch_of_step(order, 8, step);
            EXPECT_GE(batch.size(), 1U);
            EXPECT_LE(batch.size(), 8U);
            seen.insert(seen.end(), batch.begin(), batch.end());
        }
        EXPECT_EQ(seen, order);
        EXPECT_THROW(batch_of_step(order, 8, steps_per_epoch(count, 8)), std::logic_error);
    }
}

TEST(Sharding, TheLastPartialBatchCounts) {
    EXPECT_EQ(steps_per_epoch(16, 8), 2);
    EXPECT_EQ(steps_per_epoch(17, 8), 3);
    EXPECT_EQ(steps_per_epoch(3, 8), 1);
}

TEST(Sharding, AnySplitIsTheSameGlobalBatch) {
    const auto tokens = tokens_of(100);
    const auto order = epoch_order(5, 0, 100);
    const auto batch = batch_of_step(order, 32, 1);
    const std::multiset<std::int64_t> wanted(batch.begin(), batch.end());
    for (const int ranks : {1, 2, 3, 4, 31, 32, 33, 64}) {
        const auto shares = split_by_tokens(batch, tokens, ranks);
        ASSERT_EQ(shares.size(), static_cast<std::size_t>(ranks));
        std::multiset<std::int64_t> found;
        for (const auto& share : shares) found.insert(share.begin(), share.end());
        EXPECT_EQ(found, wanted) << ranks << " ranks";
    }
    EXPECT_THAT(split_by_tokens(batch, tokens, 1)[0], testing::ElementsAreArray(batch));
}

TEST(Sharding, SharesKeepTheBatchsOrder) {
    const auto tokens = tokens_of(64);
    const auto order = epoch_order(5, 0, 64);
    for (const auto& share : split_by_tokens(order, tokens, 4)) {
        std::vector<std::ptrdiff_t> places;
        places.reserve(share.size());
        for (const std::int64_t example : share) {
            places.push_back(std::find(order.begin(), order.end(), example) - order.begin());
        }
        EXPECT_TRUE(std::is_sorted(places.begin(), places.end()));
    }
}

TEST(Sharding, TokenLoadsDifferByAtMostTheLongestExample) {
    const auto tokens = tokens_of(1000);
    const auto order = epoch_order(9, 0, 1000);
    for (const int ranks : {2, 4, 8}) {
        for (std::int64_t step = 0; step < steps_per_epoch(1000, 32); ++step) {
            const auto batch = batch_of_step(order, 32, step);
            std::int64_t all = 0;
            std::int64_t longest = 0;
            for (const std::int64_t example : batch) {
                all += tokens[static_cast<std::size_t>(example)];
                longest = std::max(longest, tokens[static_cast<std::size_t>(example)]);
            }
            // Longest first is within 4/3 - 1/(3 R) of the best split, which is at least the mean and the
            // longest.
            std::int64_t heaviest = 0;
            std::int64_t lightest = all;
            for (const auto& share : split_by_tokens(batch, tokens, ranks)) {
                heaviest = std::max(heaviest, load(share, tokens));
                lightest = std::min(lightest, load(share, tokens));
            }
            EXPECT_LE(heaviest - lightest, longest);
            if (batch.size() == 32 && ranks == 2) {
                EXPECT_LT(heaviest, all / 2 + all / 50) << "step " << step;
            }
        }
    }
}

/// Token counts spread as those of SQuAD's windows: its quantiles, joined by straight lines.
std::vector<std::int64_t> squad_lengths(std::int64_t count) {
    constexpr std::array<double, 6> kShare{0, 0.05, 0.25, 0.5, 0.75, 0.95};
    constexpr std::array<double, 6> kTokens{41, 74, 122, 168, 249, 386};
    std::vector<std::int64_t> tokens;
    for (const std::int64_t place : epoch_order(3, 0, count)) {
        const double share = (static_cast<double>(place) + 0.5) / static_cast<double>(count);
        std::size_t part = kShare.size() - 1;
        while (share < kShare[part]) --part;
        const double slope = part + 1 < kShare.size()
                                 ? (kTokens[part + 1] - kTokens[part]) / (kShare[part + 1] - kShare[part])
                                 : 0;  // the twentieth of the windows that are cut at 386
        tokens.push_back(static_cast<std::int64_t>(kTokens[part] + slope * (share - kShare[part])));
    }
    return tokens;
}

TEST(Sharding, TokensBalanceOnTheLengthsOfSquad) {
    constexpr std::int64_t kCount = 6400;
    const auto tokens = squad_lengths(kCount);
    const auto order = epoch_order(1, 0, kCount);
    double sum = 0;
    for (std::int64_t step = 0; step < 100; ++step) {
        const auto shares = split_by_tokens(batch_of_step(order, 64, step), tokens, 8);
        const double imbalance = token_imbalance(shares, tokens);
        EXPECT_LE(imbalance, 0.03) << "step " << step;
        sum += imbalance;
    }
    EXPECT_LE(sum / 100, 0.015);
}

TEST(Sharding, ImbalanceIsThatOfTheFullestShare) {
    const std::vector<std::int64_t> tokens{30, 10, 20};
    using Shares = std::vector<std::vector<std::int64_t>>;
    EXPECT_DOUBLE_EQ(token_imbalance(Shares{{0}, {1, 2}}, tokens), 0);
    EXPECT_DOUBLE_EQ(token_imbalance(Shares{{0, 1}, {2}}, tokens), 40.0 / 30 - 1);
    EXPECT_DOUBLE_EQ(token_imbalance(Shares{{0, 1, 2}, {}, {}}, tokens), 2);
}

TEST(Sharding, MoreRanksThanExamplesLeavesSomeWithNone) {
    const std::vector<std::int64_t> tokens{5, 6, 7};
    const std::vector<std::int64_t> batch{2, 0, 1};
    const auto shares = split_by_tokens(batch, tokens, 5);
    EXPECT_EQ(std::count_if(shares.begin(), shares.end(), [](const auto& share) { return share.empty(); }),
              2);
    for (const auto& share : shares) EXPECT_LE(share.size(), 1U);
}

TEST(CutByTokens, KeepsTheOrderAndTheLimit) {
    const std::vector<std::int64_t> tokens_of{50, 60, 200, 10, 20};
    const std::vector<std::int64_t> share{0, 1, 2, 3, 4};
    using Passes = std::vector<std::vector<std::int64_t>>;
    EXPECT_EQ(cut_by_tokens(share, tokens_of, 110), (Passes{{0, 1}, {2}, {3, 4}}));
    EXPECT_EQ(cut_by_tokens(share, tokens_of, 1000), (Passes{share}));
    EXPECT_EQ(cut_by_tokens(share, tokens_of, 1), (Passes{{0}, {1}, {2}, {3}, {4}}));
    EXPECT_EQ(cut_by_tokens({}, tokens_of, 100), Passes{});
}

}  // namespace
}  // namespace bv
