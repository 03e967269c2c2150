#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>

#include "comm/collective.hpp"

namespace bv {

/// What every Collective must do. A `Device` has a constructor of a Communicator, `collective()`, `buffer()`
/// (memory the collective works on, holding the given floats), `content()` of one, and a static `why_not()`:
/// why its tests are skipped, or "".
template <class Device>
class CollectiveConformance : public testing::Test {
  protected:
    void SetUp() override {
        if (const std::string reason = Device::why_not(); !reason.empty()) GTEST_SKIP() << reason;
        device_ = std::make_unique<Device>(ranks_);
    }

    /// Values that differ by rank and place, and whose sums over 4 ranks are exact in float32.
    static std::vector<float> values_of(int rank, std::int64_t count) {
        std::vector<float> values(static_cast<std::size_t>(count));
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = static_cast<float>((i % 4093 + 1) * (static_cast<std::size_t>(rank) + 1));
        }
        return values;
    }

    std::vector<float> sum_over_ranks(std::int64_t count) const {
        std::vector<float> sum(static_cast<std::size_t>(count), 0.0F);
        for (int rank = 0; rank < ranks_.size(); ++rank) {
            const auto values = values_of(rank, count);
            std::transform(sum.begin(), sum.end(), values.begin(), sum.begin(), std::plus<>());
        }
        return sum;
    }

    std::vector<float> mine(std::int64_t count) const { return values_of(ranks_.rank(), count); }

    const Communicator ranks_;
    std::unique_ptr<Device> device_;
};

TYPED_TEST_SUITE_P(CollectiveConformance);

TYPED_TEST_P(CollectiveConformance, AllReduceSumsOverEveryRank) {
    for (const std::int64_t count : {0, 1, 2, 1000}) {
        auto buffer = this->device_->buffer(this->mine(count));
        this->device_->collective().all_reduce(buffer.get(), count);
        EXPECT_EQ(this->device_->content(buffer, count), this->sum_over_ranks(count)) << count << " floats";
    }
}

TYPED_TEST_P(CollectiveConformance, StartedSumsAreThereAfterWait) {
    std::vector<decltype(this->device_->buffer({}))> buffers;
    for (const std::int64_t count : {1000, 1, 100000})
        buffers.push_back(this->device_->buffer(this->mine(count)));
    this->device_->collective().start_all_reduce(buffers[0].get(), 1000);
    this->device_->collective().start_all_reduce(buffers[1].get(), 1);
    this->device_->collective().poll();
    this->device_->collective().start_all_reduce(buffers[2].get(), 100000);
    this->device_->collective().wait();
    EXPECT_EQ(this->device_->content(buffers[0], 1000), this->sum_over_ranks(1000));
    EXPECT_EQ(this->device_->content(buffers[1], 1), this->sum_over_ranks(1));
    EXPECT_EQ(this->device_->content(buffers[2], 100000), this->sum_over_ranks(100000));
    this->device_->collective().wait();  // nothing left: returns at once
}

TYPED_TEST_P(CollectiveConformance, BroadcastCopiesFromAnyRoot) {
    for (int root = 0; root < this->ranks_.size(); ++root) {
        auto buffer = this->device_->buffer(this->mine(1000));
        this->device_->collective().broadcast(buffer.get(), 1000, root);
        EXPECT_EQ(this->device_->content(buffer, 1000), this->values_of(root, 1000)) << "root " << root;
    }
}

TYPED_TEST_P(CollectiveConformance, OnlyTheGivenFloatsChange) {
    auto buffer = this->device_->buffer(this->mine(10));
    this->device_->collective().all_reduce(buffer.get(), 6);
    const auto found = this->device_->content(buffer, 10);
    const auto before = this->mine(10);
    EXPECT_TRUE(std::equal(before.begin() + 6, before.end(), found.begin() + 6));
}

TYPED_TEST_P(CollectiveConformance, LargeCountsCrossEveryPiece) {
    constexpr std::int64_t kCount = (std::int64_t{1} << 24) + 3;  // MPI sends pieces of 2^24
    auto buffer = this->device_->buffer(this->mine(kCount));
    this->device_->collective().all_reduce(buffer.get(), kCount);
    EXPECT_TRUE(this->device_->content(buffer, kCount) == this->sum_over_ranks(kCount));
    const int last = this->ranks_.size() - 1;
    buffer = this->device_->buffer(this->mine(kCount));
    this->device_->collective().broadcast(buffer.get(), kCount, last);
    EXPECT_TRUE(this->device_->content(buffer, kCount) == this->values_of(last, kCount));
}

TYPED_TEST_P(CollectiveConformance, EqualInputsGiveEqualBits) {
    const auto reduce = [this] {
        auto values = this->mine(10007);
        for (float& value : values) value = 1.0F / value;
        auto buffer = this->device_->buffer(values);
        this->device_->collective().all_reduce(buffer.get(), 10007);
        return this->device_->content(buffer, 10007);
    };
    EXPECT_EQ(reduce(), reduce());
}

TYPED_TEST_P(CollectiveConformance, EveryRankGetsTheSameBits) {
    auto values = this->mine(10007);
    for (float& value : values) value = 1.0F / value;
    auto buffer = this->device_->buffer(values);
    this->device_->collective().all_reduce(buffer.get(), 10007);
    const auto sums = this->device_->content(buffer, 10007);
    const std::string bytes(reinterpret_cast<const char*>(sums.data()), sums.size() * sizeof(float));
    EXPECT_TRUE(this->ranks_.broadcast(bytes) == bytes);
}

REGISTER_TYPED_TEST_SUITE_P(CollectiveConformance, AllReduceSumsOverEveryRank, StartedSumsAreThereAfterWait,
                            BroadcastCopiesFromAnyRoot, OnlyTheGivenFloatsChange, LargeCountsCrossEveryPiece,
                            EqualInputsGiveEqualBits, EveryRankGetsTheSameBits);

}  // namespace bv
