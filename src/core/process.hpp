#pragma once

#include <string>

namespace bv {

/// Makes the process ready, before any thread of it exists; the guards call it on main's first line. It takes
/// the stop signal (core/stop_signal.hpp), reserves the standard streams, sets environment variables that
/// libraries read when they start, and allows many open files. From then on an exception that no `catch` can
/// reach prints one line and ends the process with exit code 1. A program that links this function also
/// checks before main whether its working folder still exists. If it does not, the program prints one line
/// and ends.
void prepare_process();

/// The message of the exception that ends the process through std::terminate, for example one of a thread
/// or of a destructor.
std::string terminating_text();

}  // namespace bv
