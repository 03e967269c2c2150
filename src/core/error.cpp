#include "core/error.hpp"

namespace bv {
namespace {

/// Bytes of a message; a path of the greatest length that Linux allows has 4096.
constexpr std::size_t kLongest = 6000;

bool continues_character(char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

std::string without_middle(const std::string& text) {
    std::size_t begin = kLongest / 2;
    std::size_t end = text.size() - kLongest / 2;
    while (begin > 0 && continues_character(text[begin])) --begin;
    while (end < text.size() && continues_character(text[end])) ++end;
    return text.substr(0, begin) + " ... " + text.substr(end);
}

std::string one_line(const std::string& text) {
    std::string line;
    for (const char byte : text) {
        if (byte == '\n') {
            line += "\\n";
        } else if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F) {
            line += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
        } else {
            line += byte;
        }
    }
    return line.size() <= kLongest ? line : without_middle(line);
}

}  // namespace

Error::Error(const std::string& message) : std::runtime_error(one_line(message)) {}

void contract_broken(const char* condition, const char* file, int line) {
    throw std::logic_error(fmt::format("broken contract: {} ({}:{})", condition, file, line));
}

}  // namespace bv
