#pragma once

#include <functional>

namespace bv {

/// Runs a program that is one process, on main's first line: prints what it `Answered` (--help), an Error as
/// one line (exit code 2) or any other exception (exit code 1). Refuses to run as several ranks. Returns the
/// exit code.
int run_alone(const std::function<void()>& program);

}  // namespace bv
