#pragma once

#include <string_view>

namespace bv {

/// Makes sure that no file which the program opens later gets the number of a closed standard stream.
/// Otherwise output and errors would go into that file. Writing to a stream that was closed fails. Call it
/// at the beginning of main.
void reserve_standard_streams();

/// Writes all of `text`, a program's results, to standard output. Throws Error with the system's reason, for
/// example a full disk or a closed stream.
void print_results(std::string_view text);

/// Prints the answer to --help and returns the exit code. If it cannot be printed, the error is reported.
int print_answer(std::string_view text);

}  // namespace bv
