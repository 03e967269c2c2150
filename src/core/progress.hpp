#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace bv {

/// "1:23:45", "2:05" or "3.2 s".
std::string duration_text(double seconds);

/// The progress of one long piece of work. Every few seconds it logs a line with share, rate and remaining
/// time, and at the end a line with the whole time. On every rank it is reported as the rank's activity.
/// Work that is shorter than the first interval logs nothing.
class Progress {
  public:
    /// `total` counts `unit`s ("features", "steps"), of which an interrupted run did `before`; `quiet` prints
    /// nothing (ranks other than 0).
    Progress(std::string what, std::string unit, std::int64_t total, bool quiet = false,
             std::int64_t before = 0);

    /// Counts `units` as done; prints a line when one is due. `note` is put at its end.
    void advance(std::int64_t units, const std::string& note = "");

    /// The closing line. Returns the seconds since construction.
    double finish();

    /// Leaves `seconds` that were spent on something else out of all rates and times.
    void leave_out(double seconds);

    /// Seconds since construction.
    double seconds() const;

  private:
    void report() const;

    using Clock = std::chrono::steady_clock;

    std::string what_;
    std::string unit_;
    std::int64_t total_;
    bool quiet_;
    std::int64_t before_;
    std::int64_t done_;
    Clock::time_point began_ = Clock::now();
    Clock::time_point next_line_ = began_ + std::chrono::seconds(2);
    std::chrono::seconds interval_{2};
};

}  // namespace bv
