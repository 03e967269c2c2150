#include "programs/train/memory_plan.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include <ATen/ATen.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include "comm/sharding.hpp"
#include "core/error.hpp"
#include "core/size_text.hpp"
#include "programs/train/optimizer_step.hpp"
#include "states/reading_order.hpp"

namespace bv {
namespace {

/// Torch's allocators report to it when memory is taken or freed, as they report to Torch's profiler. It
/// counts only the memory of `device`: dropout masks for a GPU are drawn in the host's memory.
class Meter final : public c10::MemoryReportingInfoBase {
  public:
    explicit Meter(at::Device device) : type_(device.type()) {}

    void reportMemoryUsage(void* /*place*/, std::int64_t bytes, std::size_t /*allocated*/,
                           std::size_t /*reserved*/, c10::Device device) override {
        if (device.type() != type_) return;
        held_ += bytes;
        peak_ = std::max(peak_, held_);
    }
    bool memoryProfilingEnabled() const override { return true; }

    std::int64_t peak() const { return peak_; }

  private:
    at::DeviceType type_;
    std::int64_t held_ = 0;
    std::int64_t peak_ = 0;
};

}  // namespace

std::int64_t peak_bytes(at::Device device, const std::function<void()>& work) {
    const auto meter = std::make_shared<Meter>(device);
    const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, meter);
    work();
    return meter->peak();
}

namespace {

/// The largest share that a rank gets of a batch of the longest features. Its states are zeros.
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
    std::vector<std::int64_t> lengths;
    for (const std::int64_t i : share) lengths.push_back(rows[static_cast<std::size_t>(i)]);
    states.packed = std::make_shared<PackedSequences>(pack(share, lengths).to(device));
    const StoreInfo& info = data.train().info();
    states.states = at::zeros({info.states(), states.rows(), info.hidden_size}, device);
    return states;
}

/// The bytes of one head's logits after an epoch, when each rank holds the logits of all features, and a copy
/// of them.
std::int64_t bytes_of_logits(const HeadData& data) {
    std::int64_t rows = 0;
    for (const StateSource* source : {&data.dev(), data.held_out()}) {
        if (source == nullptr) continue;
        for (const std::int64_t own : source->rows_of_features()) rows += own;
    }
    constexpr std::int64_t kCopies = 2;
    return kCopies * rows * 2 * static_cast<std::int64_t>(sizeof(float));
}

/// The bytes in the host's memory of the copy of a head's state that is written to disk.
std::int64_t bytes_of_copy(const HeadTrainer& trainer) {
    const ResumeState state = trainer.state(0);
    std::int64_t bytes = 0;
    for (const at::Tensor* part :
         {&state.values, &state.first_moments, &state.second_moments, &state.buffers}) {
        if (part->defined()) bytes += static_cast<std::int64_t>(part->nbytes());
    }
    return bytes;
}

using Places = std::vector<std::size_t>;

/// Heads with equal keys may form a group: definition, first state, and the group of an interrupted run.
using GroupKey = std::tuple<std::string, std::int64_t, std::string>;

GroupKey key_of(const HeadJob& job) {
    return {job.definition.name, job.first_state, job.group};
}

/// Makes one pass of the heads at `places`. Each new group of several heads fits into `limit` bytes together
/// with the memory that all heads of the pass keep; a group of one head, or of an interrupted run, may need
/// more. 0 means no limit.
HeadPass make_pass(const std::vector<HeadJob>& jobs, const Places& places, double limit) {
    HeadPass pass;
    for (const std::size_t i : places) pass.kept += jobs[i].memory.kept;
    std::vector<std::int64_t> working;     // bytes of each group
    std::map<GroupKey, std::size_t> open;  // the group to which heads are added
    for (const std::size_t i : places) {
        const HeadJob& job = jobs[i];
        const auto [found, is_new] = open.try_emplace(key_of(job), pass.groups.size());
        const auto fits = [&](std::size_t group) {
            return limit == 0 || !job.group.empty() ||
                   static_cast<double>(pass.kept + working[group] + job.memory.working) <= limit;
        };
        if (!is_new && !fits(found->second)) found->second = pass.groups.size();
        if (found->second == pass.groups.size()) {
            pass.groups.emplace_back();
            working.push_back(0);
        }
        pass.groups[found->second].push_back(i);
        working[found->second] += job.memory.working;
        pass.working = std::max(pass.working, working[found->second]);
    }
    return pass;
}

bool fits(const HeadPass& pass, double limit) {
    return limit == 0 || static_cast<double>(pass.kept + pass.working) <= limit;
}

/// Divides the heads at `places` into those that come into a pass only together: the groups of an interrupted
/// run, and each head that has no group.
std::vector<Places> inseparable(const std::vector<HeadJob>& jobs, const Places& places) {
    std::vector<Places> all;
    std::map<GroupKey, std::size_t> known;
    for (const std::size_t i : places) {
        const auto found = known.find(key_of(jobs[i]));
        if (found != known.end()) {
            all[found->second].push_back(i);
            continue;
        }
        if (!jobs[i].group.empty()) known.emplace(key_of(jobs[i]), all.size());
        all.push_back({i});
    }
    return all;
}

/// Divides heads that can come into one pass into passes of at most `limit` bytes.
void add_passes(std::vector<HeadPass>& passes, const std::vector<HeadJob>& jobs, const Places& heads,
                double limit) {
    Places places;
    for (const Places& together : inseparable(jobs, heads)) {
        places.insert(places.end(), together.begin(), together.end());
        if (fits(make_pass(jobs, places, limit), limit)) continue;
        places.resize(places.size() - together.size());
        passes.push_back(make_pass(jobs, places, limit));
        places = together;
    }
    passes.push_back(make_pass(jobs, places, limit));
}

}  // namespace

void measure_memory(std::vector<HeadJob>& jobs, const HeadData& data, at::Device device,
                    const Communicator& ranks, Collective& collective) {
    // The memory per head in a step of this many equal heads.
    const auto measured = [&](const HeadJob& job, std::int64_t heads) {
        const StateBatch share = largest_share(data, job.origin.batch, device, ranks.size())
                                     .with_states(job.first_state, job.states);
        const auto count = static_cast<std::size_t>(heads);
        HeadTrainer trainer(Head(job.definition, job.states, data.train().info().hidden_size,
                                 std::vector<std::uint64_t>(count)),
                            std::vector<double>(count, 1e-3), device, collective);
        const std::int64_t working = peak_bytes(device, [&] { trainer.step(share, job.origin.batch); });
        const auto most = static_cast<std::int64_t>(ranks.max(static_cast<double>(working)));
        const std::int64_t copy = device.is_cpu() ? bytes_of_copy(trainer) : 0;
        return HeadMemory{trainer.bytes() / heads + bytes_of_logits(data) + copy, most / heads,
                          !trainer.head().reads_any_type()};
    };
    // The memory does not depend on seed, rate, share or layer.
    std::map<std::string, std::vector<HeadJob*>> by_name;
    for (HeadJob& job : jobs) by_name[job.definition.name].push_back(&job);
    for (const auto& [name, alike] : by_name) {
        HeadMemory memory = measured(*alike.front(), 1);
        // Two heads may take more than twice the memory of one; more than two do not take more per head.
        if (alike.size() > 1) memory.working = std::max(memory.working, measured(*alike.front(), 2).working);
        for (HeadJob* job : alike) job->memory = memory;
    }
}

StateMemory memory_of_states(const std::vector<HeadJob>& jobs, const HeadData& data, at::Device device,
                             const Communicator& ranks) {
    const StateSource& source = data.train();
    const StoreInfo& info = source.info();
    StateMemory memory;
    for (const StateSource* opened : data.opened()) memory.kept += opened->kept_bytes();
    if (source.worth_reading_ahead()) {
        const std::int64_t blocks = std::min(2 * kWindowBlocks, source.layout().blocks());
        memory.read_ahead =
            blocks * source.layout().rows_of(0) / ranks.size() * info.states() * info.row_bytes();
    }
    const at::Tensor floats = largest_share(data, jobs.front().origin.batch, device, ranks.size()).states;
    const std::int64_t as_read = info.states() * floats.size(1) * info.row_bytes();
    if (!source.worth_reading_ahead()) memory.batches += as_read;
    if (!device.is_cpu()) memory.batches += 2 * as_read;  // this batch, and the next one on its way
    const bool converted = info.dtype != DType::f32 && std::ranges::any_of(jobs, [](const HeadJob& job) {
                               return job.memory.reads_floats;
                           });
    if (converted) memory.batches += static_cast<std::int64_t>(floats.nbytes());
    return memory;
}

std::vector<HeadPass> plan_passes(std::vector<HeadJob> jobs, MemoryLimit limit) {
    const auto limit_of = [&](const HeadJob& job) {
        return job.group.empty() ? limit.fresh : limit.in_group;
    };
    // Heads with equal share, steps and scored epochs, and whether they have a group.
    std::map<std::tuple<double, std::int64_t, std::int64_t, bool>, Places> alike;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        const HeadPass alone = make_pass(jobs, {i}, limit_of(jobs[i]));
        if (!fits(alone, limit_of(jobs[i]))) {
            fail("{} needs {} of memory, but heads may take only {} (--memory-gib)", jobs[i].name(),
                 size_text(static_cast<double>(alone.kept + alone.working)), size_text(limit_of(jobs[i])));
        }
        alike[{jobs[i].origin.share, jobs[i].steps, jobs[i].scored, !jobs[i].group.empty()}].push_back(i);
    }
    std::vector<HeadPass> passes;
    for (const auto& [key, heads] : alike) {
        const double own = limit_of(jobs[heads.front()]);
        bool divided = false;
        for (const Places& together : inseparable(jobs, heads)) {
            if (fits(make_pass(jobs, together, own), own)) continue;
            for (const std::size_t i : together) jobs[i].group.clear();
            divided = true;
        }
        const std::size_t before = passes.size();
        add_passes(passes, jobs, heads, own);
        for (std::size_t i = before; i < passes.size(); ++i) passes[i].divided = divided;
    }
    return passes;
}

}  // namespace bv
