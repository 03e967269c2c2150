#include "io/json.hpp"

#include <limits>
#include <optional>

#include "core/error.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

/// A parser that keeps no values and stops at the first error.
class FirstError : public nlohmann::json_sax<Json> {
  public:
    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t&) override { return true; }
    bool string(string_t&) override { return true; }
    bool binary(binary_t&) override { return true; }
    bool start_object(std::size_t) override { return true; }
    bool key(string_t&) override { return true; }
    bool end_object() override { return true; }
    bool start_array(std::size_t) override { return true; }
    bool end_array() override { return true; }
    bool parse_error(std::size_t bytes_read, const std::string&, const Json::exception& wrong) override {
        if (dynamic_cast<const Json::out_of_range*>(&wrong) != nullptr)
            what = "a number beyond double's range";
        if (std::string_view(wrong.what()).find("ill-formed UTF-8") != std::string_view::npos)
            what = "no UTF-8";
        offset = bytes_read == 0 ? 0 : bytes_read - 1;
        return false;
    }

    const char* what = "no JSON";
    std::size_t offset = 0;  ///< of the last byte that was read
};

/// No file that is meant to be read has so many levels. Recursive functions such as dump need far less than
/// the whole stack for them.
constexpr int kDeepest = 500;

/// The offset of the first bracket that opens a deeper level; no value if there is none.
std::optional<std::size_t> first_too_deep(std::string_view text) {
    int depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char byte = text[i];
        if (in_string) {
            if (byte == '\\') ++i;
            if (byte == '"') in_string = false;
        } else if (byte == '"') {
            in_string = true;
        } else if (byte == '[' || byte == '{') {
            if (++depth > kDeepest) return i;
        } else if (byte == ']' || byte == '}') {
            --depth;
        }
    }
    return std::nullopt;
}

}  // namespace

Json parse_json(std::string_view text, const std::string& name, const Json::parser_callback_t& keep) {
    // The library takes a NUL byte for the end of the text. JSON has none.
    if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos)
        fail("{}: a NUL byte at {}", name, place_of(text, nul));
    if (const auto deep = first_too_deep(text))
        fail("{}: more than {} levels of brackets at {}", name, kDeepest, place_of(text, *deep));
    try {
        return Json::parse(text, keep);
    } catch (const Json::exception&) {
        FirstError error;
        Json::sax_parse(text, &error);
        fail("{}: {} at {}", name, error.what, place_of(text, error.offset));
    }
}

bool is_whole(const Json& json) {
    return json.is_number_integer() &&
           (!json.is_number_unsigned() ||
            json.get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<std::int64_t>::max()});
}

Json read_json(const std::filesystem::path& path) {
    return parse_json(read_file(path), path.string());
}

}  // namespace bv
