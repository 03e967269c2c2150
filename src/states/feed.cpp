#include "states/feed.hpp"

#include <utility>

#include <ATen/ATen.h>

#include "core/activity.hpp"
#include "core/error.hpp"
#include "core/stopwatch.hpp"

namespace bv {
StateFeed::StateFeed(const StateSource& source, std::vector<FeatureBatches> groups, at::Device device)
    : source_(source), copies_(device) {
    append(std::move(groups));
}

void StateFeed::append(std::vector<FeatureBatches> groups) {
    for (FeatureBatches& group : groups) {
        if (source_.worth_reading_ahead()) {
            groups_.push_back(std::move(group));
        } else {
            // States that are computed when they are needed do not have to be kept in memory.
            for (auto& batch : group) groups_.push_back({std::move(batch)});
        }
    }
    if (!reading_.valid()) start_reading();
}

void StateFeed::start_reading() {
    if (groups_.empty()) return;
    const auto policy = source_.worth_reading_ahead() ? std::launch::async : std::launch::deferred;
    reading_ = std::async(policy, [this, group = std::move(groups_.front())] { return source_.read(group); });
    groups_.pop_front();
}

/// Starts to copy the next batch to the device. Reads its group before, if that has not been read yet.
void StateFeed::upload() {
    while (read_.empty()) {
        BV_EXPECT(reading_.valid());
        const Stopwatch clock;
        report_phase("reading states");
        std::vector<StateBatch> group = reading_.get();
        seconds_waited_ += clock.seconds();
        start_reading();
        read_.insert(read_.end(), std::make_move_iterator(group.begin()),
                     std::make_move_iterator(group.end()));
    }
    uploaded_ = std::move(read_.front());
    read_.pop_front();
    if (uploaded_->sequences() == 0) return;
    const auto copy = [this](const at::Tensor& host) { return copies_.to_device(host); };
    uploaded_->packed = std::make_shared<PackedSequences>(uploaded_->packed->with(copy));
    uploaded_->states = copy(uploaded_->states);
}

StateBatch StateFeed::next() {
    if (!uploaded_) upload();
    StateBatch batch = std::move(*uploaded_);
    uploaded_.reset();
    if (batch.sequences() > 0) {
        const auto usable = [this](const at::Tensor& copy) { return copies_.hand_over(copy); };
        batch.packed = std::make_shared<PackedSequences>(batch.packed->with(usable));
        batch.states = usable(batch.states);
    }
    if (!read_.empty()) upload();
    report_phase("heads");
    return batch;
}

std::vector<FeatureBatches> group_batches(const StateSource& source, FeatureBatches batches,
                                          std::int64_t bytes) {
    const std::vector<std::int64_t> rows_of = source.rows_of_features();
    const std::int64_t row_bytes = source.info().states() * source.info().row_bytes();
    std::vector<FeatureBatches> groups;
    std::int64_t filled = bytes;
    for (auto& batch : batches) {
        if (filled >= bytes) {
            groups.emplace_back();
            filled = 0;
        }
        for (const std::int64_t feature : batch)
            filled += rows_of[static_cast<std::size_t>(feature)] * row_bytes;
        groups.back().push_back(std::move(batch));
    }
    return groups;
}

}  // namespace bv
