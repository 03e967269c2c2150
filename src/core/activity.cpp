#include "core/activity.hpp"

#include <mutex>
#include <utility>

#include "core/log.hpp"

namespace bv {
namespace {

/// The last report of the main thread. Each process has one.
struct Told {
    std::mutex mutex;
    std::int64_t reports = 0;
    bool waiting = false;
    std::string work = "starting";
    std::string phase;
};

Told& told() {
    static Told only;
    return only;
}

template <class Change>
void report(Change change) {
    const std::lock_guard lock(told().mutex);
    ++told().reports;
    change(told());
}

}  // namespace

Activity activity() {
    const std::lock_guard lock(told().mutex);
    const Told& now = told();
    return {now.reports, now.waiting, now.phase.empty() ? now.work : now.work + ", " + now.phase};
}

void report_work(std::string work) {
    report([&](Told& now) {
        now.work = std::move(work);
        now.phase.clear();
    });
}

void report_phase(std::string_view phase) {
    report([&](Told& now) { now.phase = phase; });
}

Waiting::Waiting(std::source_location where) {
    spdlog::debug("enters {} ({}:{})", where.function_name(), where.file_name(), where.line());
    report([](Told& now) { now.waiting = true; });
}

Waiting::~Waiting() {
    report([](Told& now) { now.waiting = false; });
}

}  // namespace bv
