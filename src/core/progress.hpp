#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace bv {

/// "1:23:45", "2:05" or "3.2 s".
std::string duration_text(double seconds);

/// The progress of one long piece of work. Every few seconds it logs a line with the share that is done, the
/// rate and the remaining time; at the end it logs a line with the whole time. Every rank reports it as its
/// activity. Work that is shorter than the first interval logs nothing.
class Progress {
  public:
    /// `what` names the work. `total` is the number of all its `unit`s ("features", "steps"); an interrupted
    /// run did `before` of them. With `quiet` nothing is logged (for ranks other than 0).
    Progress(std::string what, std::string unit, std::int64_t total, bool quiet = false,
             std::int64_t before = 0);

    /// Counts `units` more as done, and logs a line if it is time for one. `note` is put at the end of the
    /// line.
    void advance(std::int64_t units, const std::string& note = "");

    /// Logs the last line. Returns the seconds since construction, without those left out.
    double finish();

    /// Leaves `seconds` out of all rates and times, because they were spent on something else.
    void leave_out(double seconds);

    /// Seconds since construction, without those left out.
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
