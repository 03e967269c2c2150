#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/activity.hpp"

namespace bv {

/// What a rank tells the others at every beat; it travels as bytes.
struct Beat {
    std::int64_t reports = 0;  ///< of its main thread
    bool waiting = false;      ///< its main thread waits for others
    bool last = false;         ///< it has ended its work: no further beat comes
    char host[64] = {};
    char doing[128] = {};

    Beat() = default;
    /// This process's beat now.
    explicit Beat(const Activity& activity);
};

/// What one rank knows of all, and its judgement of who hangs. Time is counted in its own beats: a process
/// that was itself stopped, by a debugger or a closed lid, blames nobody for the time it missed.
class Heartbeats {
  public:
    /// While any rank works, standing still is a hang only after this many times the timeout: a long piece of
    /// work without a report must not be taken for a hang. A silent rank is stopped, dead or cut off, and
    /// ranks that all wait for one another work on nothing: for both the timeout itself holds.
    static constexpr double kPatience = 10;

    Heartbeats(int rank, int ranks);

    /// A beat of rank `from` has come; its own count too.
    void hear(int from, const Beat& beat);

    /// `seconds` of this rank's own time have passed.
    void pass(double seconds);

    /// Whether rank `rank`, or every other one than this, has sent its last beat.
    bool has_ended(int rank) const;
    bool all_ended() const;

    /// One line naming the ranks that hang, empty where none does: the ranks that are silent for `timeout`
    /// seconds; else all, where every rank waits and none has got any further for `timeout` seconds; else,
    /// where none has got any further for kPatience x `timeout` seconds, the ranks that do not wait.
    std::string complaint(double timeout) const;

  private:
    struct Rank {
        Beat beat;
        double silent = 0;  ///< seconds
        bool heard = false;
    };

    bool all_wait() const;
    std::string silent_ranks(double timeout) const;
    std::string still_ranks() const;
    std::string name_of(std::size_t rank) const;

    std::size_t rank_;
    std::vector<Rank> ranks_;
    double still_ = 0;  ///< seconds since any rank's main thread reported anything
};

}  // namespace bv
