#pragma once

#include <optional>

namespace bv {

/// The version of the sources of this build. tools/cmake/built_from.cmake finds it out at every build.
struct BuiltFrom {
    const char* version;  ///< version of the project
    const char* commit;   ///< 12 digits of git's commit, then "-dirty" if files were changed; or "unknown"
};
extern const BuiltFrom built_from;

/// Local: if --version is among the arguments, prints the version of the program, its commit, compiler and
/// libraries, one on each line, and returns the exit code. Otherwise returns no value. main calls it first:
/// it needs neither MPI nor a GPU.
std::optional<int> answer_version(int argc, const char* const* argv);

}  // namespace bv
