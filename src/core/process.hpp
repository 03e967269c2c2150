#pragma once

#include <string>

namespace bv {

/// Makes the process ready, before any thread of it exists; the guards call it on main's first line. Takes
/// the stop signal (core/stop_signal.hpp), reserves the standard streams, sets environment variables that
/// libraries read as they start, allows many open files, and makes an exception that no `catch` can reach
/// end the process as a failure. A program with this function linked in also ends with one line, before main,
/// where its working folder was removed.
void prepare_process();

/// The message of the exception that ends the process through std::terminate, for example one of a thread
/// or of a destructor.
std::string terminating_text();

}  // namespace bv
