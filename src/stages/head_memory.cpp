#include "stages/head_memory.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include <ATen/ATen.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include "core/error.hpp"
#include "core/size_text.hpp"
#include "dist/sharding.hpp"
#include "stages/head_trainer.hpp"

namespace bv {
namespace {

/// Told by Torch's allocators of every tensor that is made or freed, as its profiler would be.
class Meter final : public c10::MemoryReportingInfoBase {
  public:
    void reportMemoryUsage(void* /*place*/, std::int64_t bytes, std::size_t /*allocated*/,
                           std::size_t /*reserved*/, c10::Device /*device*/) override {
        held_ += bytes;
        peak_ = std::max(peak_, held_);
    }
    bool memoryProfilingEnabled() const override { return true; }

    std::int64_t peak() const { return peak_; }

  private:
    std::int64_t held_ = 0;
    std::int64_t peak_ = 0;
};

/// The most bytes that tensors made by `work`, its backward passes included, take at one time.
std::int64_t peak_bytes(const std::function<void()>& work) {
    const auto meter = std::make_shared<Meter>();
    const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, meter);
    work();
    return meter->peak();
}

/// A rank's share of a batch of the longest features, without states worth reading.
StateBatch largest_share(const HeadData& data, std::int64_t batch, at::Device device, int ranks) {
    std::vector<std::int64_t> rows = data.train().rows_of_features();
    std::sort(rows.begin(), rows.end(), std::greater<>());
    rows.resize(static_cast<std::size_t>(std::min(batch, data.count(1))));
    std::vector<std::int64_t> all(rows.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
    const auto shares = split_by_tokens(all, rows, ranks);
    const auto rows_of = [&](const std::vector<std::int64_t>& share) {
        std::int64_t sum = 0;
        for (const std::int64_t i : share) sum += rows[static_cast<std::size_t>(i)];
        return sum;
    };
    const auto& share = *std::max_element(
        shares.begin(), shares.end(), [&](const auto& a, const auto& b) { return rows_of(a) < rows_of(b); });
    StateBatch states;
    states.examples = share;
    states.starts.push_back(0);
    for (const std::int64_t i : share)
        states.starts.push_back(states.starts.back() + rows[static_cast<std::size_t>(i)]);
    const StoreInfo& info = data.train().info();
    states.states = at::zeros({info.states(), states.rows(), info.hidden_size}, device);
    const at::Tensor labels = at::zeros({states.sequences()}, at::device(device).dtype(at::kLong));
    states.start_labels = states.end_labels = states.no_answer = labels;
    return states;
}

}  // namespace

void measure_memory(std::vector<HeadJob>& jobs, const HeadData& data, at::Device device,
                    const Communicator& ranks, Collective& collective) {
    std::map<std::string, HeadMemory> by_name;  // seeds, rates, shares and which layer take no memory
    for (HeadJob& job : jobs) {
        const auto [found, is_new] = by_name.try_emplace(job.definition.name);
        if (is_new) {
            const StateBatch share = largest_share(data, job.origin.batch, device, ranks.size())
                                         .with_states(job.first_state, job.states);
            HeadTrainer trainer(Head(job.definition, job.states, data.train().info().hidden_size, 0), 1e-3,
                                device, collective);
            const std::int64_t working = peak_bytes([&] { trainer.step(share, job.origin.batch); });
            found->second = {trainer.bytes(),
                             static_cast<std::int64_t>(ranks.max(static_cast<double>(working)))};
        }
        job.memory = found->second;
    }
}

HeadGroups group_alike(const std::vector<HeadJob>& jobs) {
    constexpr std::int64_t kMost = std::int64_t{1} << 30;
    HeadGroups groups;
    std::map<std::pair<std::string, std::int64_t>, std::size_t> open;  // the group that takes more
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        const auto [found, is_new] =
            open.try_emplace({jobs[i].definition.name, jobs[i].first_state}, groups.size());
        const auto heads = is_new ? 0 : static_cast<std::int64_t>(groups[found->second].size());
        if (!is_new && (heads + 1) * jobs[i].memory.working > kMost) found->second = groups.size();
        if (found->second == groups.size()) groups.emplace_back();
        groups[found->second].push_back(i);
    }
    return groups;
}

std::vector<HeadJob> chosen(const std::vector<HeadJob>& jobs, const std::vector<std::size_t>& places) {
    std::vector<HeadJob> result;
    for (const std::size_t place : places) result.push_back(jobs[place]);
    return result;
}

std::int64_t bytes_together(const std::vector<HeadJob>& jobs) {
    std::int64_t kept = 0;
    std::int64_t working = 0;
    for (const HeadJob& job : jobs) kept += job.memory.kept;
    for (const std::vector<std::size_t>& group : group_alike(jobs)) {
        std::int64_t of_group = 0;
        for (const std::size_t head : group) of_group += jobs[head].memory.working;
        working = std::max(working, of_group);
    }
    return kept + working;
}

HeadGroups plan_passes(const std::vector<HeadJob>& jobs, double limit) {
    const auto fits = [&](const std::vector<std::size_t>& heads) {
        return limit == 0 || static_cast<double>(bytes_together(chosen(jobs, heads))) <= limit;
    };
    std::map<std::pair<double, std::int64_t>, std::vector<std::size_t>> alike;  // in share and steps
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        if (!fits({i})) {
            fail("{} takes {} of memory; there are {} for heads (--memory-gib)", jobs[i].name(),
                 size_text(static_cast<double>(bytes_together({jobs[i]}))), size_text(limit));
        }
        alike[{jobs[i].origin.share, jobs[i].steps}].push_back(i);
    }
    HeadGroups passes;
    for (const auto& [share_and_steps, heads] : alike) {
        passes.emplace_back();
        for (const std::size_t head : heads) {
            std::vector<std::size_t> more = passes.back();
            more.push_back(head);
            if (fits(more)) {
                passes.back() = std::move(more);
            } else {
                passes.push_back({head});
            }
        }
    }
    return passes;
}

}  // namespace bv
