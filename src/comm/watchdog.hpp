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

/// Finds a rank that hangs and names it. A thread of each rank tells all other ranks twice a second what
/// its main thread does (core/activity.hpp), and listens to them. If a rank hangs (comm/heartbeats.hpp),
/// every other rank prints a line that names it; then MPI_Abort ends all ranks with exit code 1. One object
/// per process, made by `run_on_ranks`.
///
/// The beats travel over MPI_COMM_WORLD, which only the watchdogs use (`Communicator` has a duplicate). So
/// every collective call after MPI_Init is watched, also those that set the program up. Each rank sends to
/// each other rank, and not round a ring: two stopped ranks would cut a ring, and the ranks between them
/// would be blamed.
class Watchdog {
  public:
    /// Local: starts the thread, and does not wait for other ranks.
    Watchdog();

    /// Collective: waits for the last beat of every rank. A rank that hangs before its last beat is still
    /// named.
    ~Watchdog();
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

  private:
    /// Sends beats to one other rank. At most one beat is under way at a time, so that a stopped rank
    /// delays no other.
    struct Sending;

    void run();
    void receive();
    bool send(const Beat& beat);
    void judge();

    int rank_ = 0;
    int size_ = 1;
    Heartbeats heartbeats_;
    std::vector<Sending> sendings_;
    double grace_ = 0;  ///< seconds since this rank named the ranks that hang
    std::mutex mutex_;
    std::condition_variable wake_;
    bool ending_ = false;
    std::thread thread_;
};

/// Local: sets after how many seconds of silence a rank counts as hung. The default is 120; 0 switches the
/// watchdog's judgement off.
void set_hang_timeout(double seconds);

/// A question that this rank's watchdog asks twice a second, as long as this object lives: is anything
/// wrong? An answer ends all ranks, as a failure does.
class Watched {
  public:
    /// Local. `wrong` returns the problem, or an empty text when there is none. The watchdog's thread calls
    /// it.
    explicit Watched(std::function<std::string()> wrong);
    ~Watched();
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;

  private:
    std::list<std::function<std::string()>>::iterator place_;
};

}  // namespace bv
