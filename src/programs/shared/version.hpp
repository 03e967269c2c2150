#pragma once

#include <optional>

namespace bv {

/// The sources of this build; tools/cmake/built_from.cmake looks at them each time something is built.
struct BuiltFrom {
    const char* version;  ///< the project's
    const char* commit;   ///< of git, 12 digits, "-dirty" after them where files were changed; or "unknown"
};
extern const BuiltFrom built_from;

/// Where --version is among the arguments: prints the program's version, its commit, compiler and libraries,
/// a line each, and returns the exit code. To be called as main begins: it needs neither MPI nor a GPU.
std::optional<int> answer_version(int argc, const char* const* argv);

}  // namespace bv
