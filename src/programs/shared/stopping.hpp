#pragma once

#include "comm/communicator.hpp"
#include "core/stop_signal.hpp"

namespace bv {

/// Says what work without a state of its own does after the stop signal: as a part of training it goes on to
/// its end, since training saves its state soon; as a program of its own it ends early.
enum class WhenTold { go_on, end };

/// Local: whether this rank shall leave the rest of its share undone; to be asked before each part of it.
inline bool ends_now(WhenTold when) {
    return when == WhenTold::end && stop_requested();
}

/// Collective: to be called after each rank's share. Throws Stopped on all ranks where one of them was
/// `cut_short`: it has left a part of its share undone. Work that was whole before the signal is whole.
/// `what` says in the message what is missing, as "no results are written".
inline void end_together(bool cut_short, const char* what, const Communicator& ranks) {
    if (ranks.max(cut_short ? 1 : 0) > 0) throw Stopped(fmt::format("told to stop: {}; start again", what));
}

}  // namespace bv
