#pragma once

#include <stdexcept>
#include <string>

#include <fmt/format.h>

namespace bv {

/// A user's mistake: a bad file, flag or configuration. Its message is one line that names the file or key,
/// what was found and what was expected; programs print it and end with exit code 2.
class Error : public std::runtime_error {
  public:
    /// `message` may contain names that come from files: characters that would end the line or control a
    /// terminal become \n or \x1b, and the middle of a very long message is left out.
    explicit Error(const std::string& message);
};

/// Exit codes of every program.
enum ExitCode : int {
    kSuccess = 0,
    kFailure = 1,      ///< a crash, a broken contract, a failed rank
    kUserMistake = 2,  ///< an `Error`
    kRequeue = 85,     ///< told to stop, state saved: start it again
};

/// Throws an `Error` with a message formatted as by fmt.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
    throw Error(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws std::logic_error naming the broken contract and its place.
[[noreturn]] void contract_broken(const char* condition, const char* file, int line);

}  // namespace bv

/// A contract inside the code (never a user's mistake), checked in every build type.
#define BV_EXPECT(condition) \
    ((condition) ? static_cast<void>(0) : ::bv::contract_broken(#condition, __FILE__, __LINE__))
