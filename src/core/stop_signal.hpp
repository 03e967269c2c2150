#pragma once

#include <stdexcept>

namespace bv {

/// Takes the stop signal from now to the end of the process: SIGUSR1, and also SIGTERM if the launcher
/// leaves time after it (srun does; mpirun kills a second later). A program that asks stop_requested() ends
/// at a point where it can. Any other program goes on to its end.
void listen_for_stop_signal();

/// Whether this process has been told to stop. Any thread may ask.
bool stop_requested();

/// Thrown on all ranks of a program that was told to stop, after it has saved its state if it has one. Exit
/// code 85 asks the scheduler to start it again.
class Stopped : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace bv
