#pragma once

#include "core/stop_signal.hpp"
#include "dist/communicator.hpp"

namespace bv {

/// What work without a state of its own does after the stop signal: part of a training goes on to its end,
/// for the training saves its state soon; a program of its own ends early.
enum class WhenTold { go_on, end };

/// Local: whether this rank shall leave the rest of its share undone.
inline bool ends_now(WhenTold when) {
    return when == WhenTold::end && stop_requested();
}

/// Collective: after each rank's share, throws Stopped on all ranks where one of them may have left some
/// undone. `what` is what was not made.
inline void end_together(WhenTold when, const char* what, const Communicator& ranks) {
    if (when == WhenTold::end && ranks.max(stop_requested() ? 1 : 0) > 0)
        throw Stopped(fmt::format("told to stop: {}; start again", what));
}

}  // namespace bv
