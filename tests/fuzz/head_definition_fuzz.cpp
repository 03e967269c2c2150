// A head's TOML, and the head it defines.
#include <algorithm>
#include <cctype>

#include "frame.hpp"
#include "heads/head.hpp"

void bv::fuzz::read(std::string_view input) {
    const HeadDefinition definition = parse_head("own", std::string(input), "own.toml");
    // A head as large as its definition says is a user's right; here it would only be out of memory.
    int digits = 0;
    for (const char c : input) {
        digits = std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == '_' ? digits + 1 : 0;
        if (digits > 2 && std::isdigit(static_cast<unsigned char>(c)) != 0) return;
    }
    Head(definition, 3, 16, {0});
}
