#pragma once

#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>

namespace bv {

/// What this process's main thread is doing. That thread reports it, and the watchdog's thread reads it.
struct Activity {
    std::int64_t reports =
        0;                 ///< reports so far; while this number stays the same, the main thread stands still
    bool waiting = false;  ///< whether it waits for other ranks, in a collective call
    std::string text;      ///< "fine-tuning: 17 of 60 steps, backward"
};

/// A copy of the last report.
Activity activity();

/// Reports how far the current work is ("fine-tuning: 17 of 60 steps"). `Progress` calls it.
void report_work(std::string work);

/// Names the part of the next unit of work that is done now ("backward"). The name holds until the work
/// advances.
void report_phase(std::string_view phase);

/// As long as this object lives, the main thread is in a collective call and waits for other ranks. At
/// level debug the log names the call: `where` is its function.
class Waiting {
  public:
    explicit Waiting(std::source_location where = std::source_location::current());
    ~Waiting();
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
};

}  // namespace bv
