#include "io/toml.hpp"

#include "core/error.hpp"

namespace bv {

toml::table parse_toml(std::string_view text, const std::string& name) {
    try {
        return toml::parse(text, name);
    } catch (const toml::parse_error& wrong) {
        fail("{}:{}: {}", name, wrong.source().begin.line, wrong.description());
    }
}

}  // namespace bv
