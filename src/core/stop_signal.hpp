#pragma once

#include <stdexcept>

namespace bv {

/// Listens for the stop signal while it lives: SIGUSR1, and SIGTERM where the launcher leaves time after it
/// (srun does; mpirun kills a second later). One object at a time.
class StopSignal {
  public:
    StopSignal();
    ~StopSignal();
    StopSignal(const StopSignal&) = delete;
    StopSignal& operator=(const StopSignal&) = delete;

    /// Whether this process has been told to stop.
    bool requested() const;
};

/// Thrown by a program that was told to stop and has saved its state, on all ranks: exit code 85 asks the
/// scheduler to start it again.
class Stopped : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace bv
