#pragma once

#include <string>
#include <string_view>

// toml++ asserts that a value begins where it looks for one, and a bracket too many in a file breaks that: a program would
// abort where it should say what is wrong. Where NDEBUG is defined, toml++ promises it to the compiler instead, which is
// worse. Without both, its next step finds the mistake and names it.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expr) static_assert(true)
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

namespace bv {

/// The table that `text` is. Throws Error naming `name` and the line where `text` stops being TOML.
toml::table parse_toml(std::string_view text, const std::string& name);

}  // namespace bv
