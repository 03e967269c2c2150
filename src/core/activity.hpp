#pragma once

#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>

namespace bv {

/// What this process's main thread is doing: told by that thread, read by a watchdog's.
struct Activity {
    std::int64_t reports = 0;  ///< made so far; where it stands still, so does the main thread
    bool waiting = false;      ///< for other ranks, in a collective call
    std::string text;          ///< "fine-tuning: 17 of 60 steps, backward"
};

/// A copy of what was told last.
Activity activity();

/// Tells how far the work at hand is ("fine-tuning: 17 of 60 steps"). `Progress` calls it.
void report_work(std::string work);

/// Names the part of the next unit of work that is done now ("backward"). The name holds until the work
/// advances.
void report_phase(std::string_view phase);

/// While it lives, the main thread is in a collective call and waits for other ranks. The log says at level
/// debug which: `where` is the call's own function.
class Waiting {
  public:
    explicit Waiting(std::source_location where = std::source_location::current());
    ~Waiting();
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
};

}  // namespace bv
