#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "comm/heartbeats.hpp"

namespace bv {

/// Gives a hung rank a name. A thread of each rank tells all others twice a second what its main thread does
/// (core/activity.hpp), and listens to theirs: over MPI_COMM_WORLD, which is the watchdogs' own
/// (`Communicator` duplicates it), so that every collective call after MPI_Init is watched, those of set-up
/// too. Where a rank hangs (comm/heartbeats.hpp), every other rank prints a line naming it, then MPI_Abort
/// ends all with exit code 1. Rank to rank rather than round a ring: two stopped ranks would cut a ring, and
/// the ranks between them would be blamed. One per process, made by `run_on_ranks`.
class Watchdog {
  public:
    /// Local: does not wait for the others.
    Watchdog();

    /// Collective: waits for every rank's last beat; a rank that hangs before it is named as ever.
    ~Watchdog();
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

  private:
    /// The way to another rank: one beat at a time is under way, so that a stopped rank holds up nobody.
    struct Sending;

    void run();
    void receive();
    bool send(const Beat& beat);
    void judge();

    int rank_ = 0;
    int size_ = 1;
    Heartbeats heartbeats_;
    std::vector<Sending> sendings_;
    double grace_ = 0;  ///< seconds since this rank named who hangs
    std::mutex mutex_;
    std::condition_variable wake_;
    bool ending_ = false;
    std::thread thread_;
};

/// Local: the seconds of silence that are taken for a hang, 120 unless told; 0 = nothing is.
void set_hang_timeout(double seconds);

/// While it lives, this rank's watchdog asks it twice a second what is wrong; an answer ends all ranks as a
/// failure.
class Watched {
  public:
    /// Local. `wrong` returns an empty text where nothing is; it is called by the watchdog's thread.
    explicit Watched(std::function<std::string()> wrong);
    ~Watched();
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;

  private:
    std::list<std::function<std::string()>>::iterator place_;
};

}  // namespace bv
