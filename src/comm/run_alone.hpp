#pragma once

#include <functional>

namespace bv {

/// Runs a program that is a single process and returns the exit code. The first line of main calls it. It
/// prints the text of an `Answered` (--help), an Error as one line (exit code 2), and any other exception
/// (exit code 1). Refuses to run when mpirun has started several ranks.
int run_alone(const std::function<void()>& program);

}  // namespace bv
