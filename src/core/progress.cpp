#include "core/progress.hpp"

#include <algorithm>
#include <cmath>

#include "core/activity.hpp"
#include "core/log.hpp"

namespace bv {
namespace {

/// The rate with three significant digits or as a whole number, never with an exponent.
std::string rate_text(double rate) {
    return rate < 999.5 ? fmt::format("{:.3g}", rate) : fmt::format("{:.0f}", rate);
}

}  // namespace

std::string duration_text(double seconds) {
    if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
    const auto whole = std::lround(seconds);
    if (whole < 3600) return fmt::format("{}:{:02d}", whole / 60, whole % 60);
    return fmt::format("{}:{:02d}:{:02d}", whole / 3600, whole / 60 % 60, whole % 60);
}

Progress::Progress(std::string what, std::string unit, std::int64_t total, bool quiet, std::int64_t before)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      total_(total),
      quiet_(quiet),
      before_(before),
      done_(before) {
    report();
}

void Progress::report() const {
    report_work(fmt::format("{}: {} of {} {}", what_, done_, total_, unit_));
}

void Progress::advance(std::int64_t units, const std::string& note) {
    done_ += units;
    report();
    const auto now = Clock::now();
    if (quiet_ || now < next_line_) return;
    // The time between two lines doubles from 2 s up to a minute, so that a day's log stays readable.
    interval_ = std::min(interval_ * 2, std::chrono::seconds(60));
    next_line_ = now + interval_;
    const double rate = static_cast<double>(done_ - before_) / seconds();
    const double left = static_cast<double>(total_ - done_) / rate;
    spdlog::info("{}: {} of {} {} ({:.0f} %), {} {}/s, {} left{}{}", what_, done_, total_, unit_,
                 100.0 * static_cast<double>(done_) / static_cast<double>(std::max<std::int64_t>(total_, 1)),
                 rate_text(rate), unit_, duration_text(left), note.empty() ? "" : ", ", note);
}

double Progress::finish() {
    const double spent = seconds();
    if (!quiet_) {
        spdlog::info("{}: {} {} in {} ({} {}/s)", what_, done_ - before_, unit_, duration_text(spent),
                     rate_text(static_cast<double>(done_ - before_) / std::max(spent, 1e-9)), unit_);
    }
    return spent;
}

void Progress::leave_out(double seconds) {
    began_ += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    report();  // the work in between may have reported itself
}

double Progress::seconds() const {
    return std::chrono::duration<double>(Clock::now() - began_).count();
}

}  // namespace bv
