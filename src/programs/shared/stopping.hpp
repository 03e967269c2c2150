#pragma once

#include "comm/communicator.hpp"
#include "core/stop_signal.hpp"

namespace bv {

/// What happens after the stop signal in work that saves no state. If the work is a part of training, it goes
/// on to its end, because training saves a state soon after. If the work is a program by itself, it ends
/// early.
enum class WhenTold { go_on, end };

/// Local: whether this rank is to leave the rest of its share undone. Ask it before each part of the share.
inline bool ends_now(WhenTold when) {
    return when == WhenTold::end && stop_requested();
}

/// Collective: call it after each rank's share. Throws Stopped on all ranks if any rank was `cut_short`,
/// which means that it left a part of its share undone. Work that was finished before the signal is kept.
/// `what` says in the message what is missing, for example "no results are written". Throws
/// std::runtime_error when MPI fails.
inline void end_together(bool cut_short, const char* what, const Communicator& ranks) {
    if (ranks.max(cut_short ? 1 : 0) > 0)
        throw Stopped(fmt::format("told to stop: {}; start the same command again", what));
}

}  // namespace bv
