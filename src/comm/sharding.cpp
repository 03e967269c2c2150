#include "comm/sharding.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/error.hpp"

namespace bv {
namespace {

/// One step of the generator SplitMix64 from state `x`.
std::uint64_t mix(std::uint64_t x) {
    x += 0x9E3779B97F4A7C15ULL;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
}

}  // namespace

std::vector<std::int64_t> epoch_order(std::uint64_t seed, std::int64_t epoch, std::int64_t count) {
    std::vector<std::pair<std::uint64_t, std::int64_t>> keyed(static_cast<std::size_t>(count));
    const std::uint64_t base = mix(seed) + (static_cast<std::uint64_t>(epoch) << 32);
    for (std::int64_t i = 0; i < count; ++i) {
        keyed[static_cast<std::size_t>(i)] = {mix(base + static_cast<std::uint64_t>(i)), i};
    }
    std::sort(keyed.begin(), keyed.end());
    std::vector<std::int64_t> order(keyed.size());
    std::transform(keyed.begin(), keyed.end(), order.begin(), [](const auto& pair) { return pair.second; });
    return order;
}

std::int64_t steps_per_epoch(std::int64_t count, std::int64_t batch) {
    BV_EXPECT(count > 0 && batch > 0);
    return (count + batch - 1) / batch;
}

std::span<const std::int64_t> batch_of_step(std::span<const std::int64_t> order, std::int64_t batch,
                                            std::int64_t step) {
    const auto first = static_cast<std::size_t>(step * batch);
    BV_EXPECT(step >= 0 && first < order.size());
    return order.subspan(first, std::min(static_cast<std::size_t>(batch), order.size() - first));
}

std::vector<std::vector<std::int64_t>> split_by_tokens(std::span<const std::int64_t> batch,
                                                       std::span<const std::int64_t> tokens_of, int ranks) {
    const auto tokens = [&](std::size_t place) { return tokens_of[static_cast<std::size_t>(batch[place])]; };
    std::vector<std::size_t> by_length(batch.size());
    std::iota(by_length.begin(), by_length.end(), 0U);
    std::stable_sort(by_length.begin(), by_length.end(),
                     [&](std::size_t a, std::size_t b) { return tokens(a) > tokens(b); });
    std::vector<std::int64_t> load(static_cast<std::size_t>(ranks), 0);
    std::vector<std::size_t> owner(batch.size());
    for (const std::size_t place : by_length) {
        const auto lightest =
            static_cast<std::size_t>(std::min_element(load.begin(), load.end()) - load.begin());
        owner[place] = lightest;
        load[lightest] += tokens(place);
    }
    std::vector<std::vector<std::int64_t>> shares(static_cast<std::size_t>(ranks));
    for (std::size_t place = 0; place < batch.size(); ++place) shares[owner[place]].push_back(batch[place]);
    return shares;
}

double token_imbalance(std::span<const std::vector<std::int64_t>> shares,
                       std::span<const std::int64_t> tokens_of) {
    std::int64_t all = 0;
    std::int64_t largest = 0;
    for (const auto& share : shares) {
        std::int64_t tokens = 0;
        for (const std::int64_t example : share) tokens += tokens_of[static_cast<std::size_t>(example)];
        all += tokens;
        largest = std::max(largest, tokens);
    }
    BV_EXPECT(all > 0);
    return static_cast<double>(largest) * static_cast<double>(shares.size()) / static_cast<double>(all) - 1;
}

std::vector<std::vector<std::int64_t>> cut_by_tokens(std::span<const std::int64_t> share,
                                                     std::span<const std::int64_t> tokens_of,
                                                     std::int64_t limit) {
    std::vector<std::vector<std::int64_t>> passes;
    std::int64_t tokens = 0;
    for (const std::int64_t example : share) {
        tokens += tokens_of[static_cast<std::size_t>(example)];
        if (passes.empty() || tokens > limit) {
            passes.emplace_back();
            tokens = tokens_of[static_cast<std::size_t>(example)];
        }
        passes.back().push_back(example);
    }
    return passes;
}

}  // namespace bv
