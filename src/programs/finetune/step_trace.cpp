#include "programs/finetune/step_trace.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <torch/csrc/autograd/profiler_kineto.h>

#include "core/error.hpp"
#include "core/log.hpp"
#include "io/files.hpp"
#include "io/paths.hpp"

namespace bv {
namespace {

namespace profiler = torch::autograd::profiler;
using torch::profiler::impl::ActivityType;
using torch::profiler::impl::ProfilerConfig;
using torch::profiler::impl::ProfilerState;

constexpr std::int64_t kWarmUp = 10;
constexpr std::int64_t kTraced = 5;

std::set<ActivityType> activities_of(at::Device device) {
    std::set<ActivityType> activities{ActivityType::CPU};
    if (device.is_cuda()) activities.insert(ActivityType::CUDA);
    return activities;
}

}  // namespace

StepTrace::StepTrace(std::filesystem::path path, at::Device device, bool force, std::int64_t steps)
    : path_(std::move(path)), device_(device) {
    if (is_there(path_) && !force) {
        spdlog::info("{} exists already; these steps are not traced", path_.string());
        return;
    }
    first_ = std::clamp(steps - kTraced, std::int64_t{0}, kWarmUp);
    end_ = std::min(first_ + kTraced, steps);
}

StepTrace::~StepTrace() {
    if (on_) profiler::disableProfiler();
}

void StepTrace::begin_step() {
    if (step_ != first_ || end_ == 0) return;
    profiler::prepareProfiler(ProfilerConfig(ProfilerState::KINETO), activities_of(device_));
    profiler::enableProfiler(
        ProfilerConfig(ProfilerState::KINETO), activities_of(device_),
        {at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION, at::RecordScope::USER_SCOPE});
    on_ = true;
}

void StepTrace::end_step() {
    ++step_;
    if (!on_ || step_ != end_) return;
    on_ = false;
    try {
        write();
        spdlog::info("{}: a trace of the steps {} to {} of this run", path_.string(), first_ + 1, end_);
    } catch (const Error& wrong) {
        spdlog::warn("no trace: {}", wrong.what());
    }
}

void StepTrace::write() const {
    const auto trace = profiler::disableProfiler();
    AsideFile file(path_);
    trace->save(file.path().string());
    if (!is_there(file.path())) fail("cannot write {}", path_.string());
    flush_to_disk(file.path());
    file.take_place();
}

}  // namespace bv
