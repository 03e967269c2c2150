#pragma once

#include <string_view>

namespace bv {

/// Keeps the numbers of closed standard streams from becoming those of files that a program opens, which
/// would take its output and errors into them: what is written to a stream that was closed fails. For the
/// beginning of main.
void reserve_standard_streams();

/// Writes a program's results to standard output, all of them. Throws Error with the system's reason (a full
/// disk, a closed stream).
void print_results(std::string_view text);

/// Prints what --help answers, and returns the exit code: an error is printed, too.
int print_answer(std::string_view text);

}  // namespace bv
