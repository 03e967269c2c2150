#pragma once

#include <string_view>

namespace bv {

/// Keeps a file that the program opens later from getting the number of a closed standard stream: output and
/// errors would go into that file. Writing to a stream that was closed fails. To be called as main begins.
void reserve_standard_streams();

/// Writes a program's results to standard output, all of them. Throws Error with the system's reason (a full
/// disk, a closed stream).
void print_results(std::string_view text);

/// Prints the answer to --help, and returns the exit code; where it cannot be printed, reports the error.
int print_answer(std::string_view text);

}  // namespace bv
