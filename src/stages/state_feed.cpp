#include "stages/state_feed.hpp"

#include <chrono>

#include <ATen/ATen.h>

#include "core/activity.hpp"
#include "core/error.hpp"

namespace bv {

StateFeed::StateFeed(const StateSource& source, std::vector<std::vector<std::int64_t>> batches,
                     at::Device device)
    : source_(source), batches_(std::move(batches)), device_(device) {
    start_reading();
}

void StateFeed::start_reading() {
    if (next_ == batches_.size()) return;
    const auto policy = source_.worth_reading_ahead() ? std::launch::async : std::launch::deferred;
    reading_ = std::async(policy, [this, which = batches_[next_]] {
        return which.empty() ? StateBatch{} : source_.read(which);
    });
    ++next_;
}

StateBatch StateFeed::next() {
    BV_EXPECT(reading_.valid());
    const auto began = std::chrono::steady_clock::now();
    report_phase("reading states");
    StateBatch batch = reading_.get();
    start_reading();
    if (batch.sequences() > 0) {
        // The reading thread only moves bytes: a thread of its own would start a second team of OpenMP
        // threads.
        batch.states = batch.states.to(device_).to(at::kFloat);
        batch.start_labels = batch.start_labels.to(device_);
        batch.end_labels = batch.end_labels.to(device_);
        batch.no_answer = batch.no_answer.to(device_);
    }
    report_phase("heads");
    seconds_waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    return batch;
}

}  // namespace bv
