#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/activity.hpp"

namespace bv {

/// What a rank tells the others at every beat; it travels as bytes.
struct Beat {
    std::int64_t reports = 0;  ///< how many reports its main thread has made
    bool waiting = false;      ///< its main thread waits for others
    bool last = false;         ///< its work has ended: no further beat comes
    char host[64] = {};        ///< the name of its host
    char doing[128] = {};      ///< the activity of its main thread, cut to this length

    Beat() = default;
    /// Makes the beat that this process would send now.
    explicit Beat(const Activity& activity);
};

/// What one rank knows about all ranks, and its judgement which of them hang. It counts time in its own
/// beats. So a process that was itself stopped, by a debugger or a closed lid, blames nobody for the time
/// that it missed.
class Heartbeats {
  public:
    /// A rank that works without a report for the timeout may be busy with a long piece of work. So it
    /// counts as hung only after this many timeouts. The timeout itself decides in two other cases: a
    /// silent rank is stopped, dead or cut off, and ranks that all wait for one another have no work.
    static constexpr double kPatience = 10;

    Heartbeats(int rank, int ranks);

    /// Takes a beat of rank `from`. This rank's own beats count too.
    void hear(int from, const Beat& beat);

    /// Counts `seconds` more of this rank's own time.
    void pass(double seconds);

    /// Whether rank `rank`, or every rank except this one, has sent its last beat.
    bool has_ended(int rank) const;
    bool all_ended() const;

    /// Returns one line that names the ranks that hang, or an empty text when none hangs. `timeout` is in
    /// seconds. If ranks are silent for `timeout`, the line names them. Otherwise, if every rank waits and
    /// none has got any further for `timeout`, it names all ranks. Otherwise, if no rank has got any
    /// further for kPatience x `timeout`, it names the ranks that do not wait.
    std::string complaint(double timeout) const;

  private:
    struct Rank {
        Beat beat;
        double silent = 0;  ///< seconds since its last beat
        bool heard = false;
    };

    bool all_wait() const;
    std::string silent_ranks(double timeout) const;
    std::string still_ranks() const;
    std::string name_of(std::size_t rank) const;

    std::size_t rank_;
    std::vector<Rank> ranks_;
    double still_ = 0;  ///< seconds since the last report of any rank's main thread
};

}  // namespace bv
