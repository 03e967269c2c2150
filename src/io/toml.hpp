#pragma once

#include <string>
#include <string_view>

// toml++ has assertions that a mistake in a file makes fail, for example a bracket too many: the program
// would abort and name no line. If NDEBUG is defined, toml++ tells the compiler to rely on the same
// conditions, and the behaviour is undefined. Without assertions and without NDEBUG, toml++ reports the
// mistake as an error.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expr) static_assert(true)
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

namespace bv {

/// The table that `text` is. Throws Error naming `name` and the line where `text` stops being TOML.
toml::table parse_toml(std::string_view text, const std::string& name);

}  // namespace bv
