#include "io/json_object.hpp"

#include <algorithm>
#include <vector>

#include "core/error.hpp"
#include "io/json.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

/// `json` as JSON; only the beginning of a long value.
std::string short_text(const Json& json) {
    constexpr std::size_t kMost = 60;
    const std::string text = json.dump(-1, ' ', /*ensure_ascii=*/true);
    return text.size() <= kMost ? text : text.substr(0, kMost) + "...";
}

[[noreturn]] void refuse(const std::string& file, const std::string& key, const Json& found,
                         const std::string& expected) {
    fail("{}: key '{}' is {}; expected {}", file, key, short_text(found), expected);
}

/// Describes a member of type T in words and tests for it.
template <class T>
struct Kind;

template <>
struct Kind<std::string> {
    static constexpr const char* kText = "a string";
    static bool fits(const Json& json) { return json.is_string(); }
};

template <>
struct Kind<bool> {
    static constexpr const char* kText = "true or false";
    static bool fits(const Json& json) { return json.is_boolean(); }
};

template <>
struct Kind<double> {
    static constexpr const char* kText = "a number";
    static bool fits(const Json& json) { return json.is_number(); }
};

template <>
struct Kind<std::int64_t> {
    static constexpr const char* kText = "a whole number";
    static bool fits(const Json& json) { return is_whole(json); }
};

template <>
struct Kind<std::uint64_t> {
    static constexpr const char* kText = "a whole number, 0 or more";
    static bool fits(const Json& json) { return json.is_number_unsigned(); }
};

template <>
struct Kind<std::vector<std::int64_t>> {
    static constexpr const char* kText = "a list of whole numbers";
    static bool fits(const Json& json) {
        return json.is_array() && std::all_of(json.begin(), json.end(), is_whole);
    }
};

}  // namespace

JsonObject::JsonObject(const std::filesystem::path& path) : name_(path.string()), json_(read_json(path)) {
    if (!json_.is_object()) fail("{}: expected a JSON object", name_);
}

bool JsonObject::has(const std::string& key) const {
    const auto found = json_.find(key);
    return found != json_.end() && !found->is_null();
}

const Json& JsonObject::at(const std::string& key, const std::string& expected) const {
    if (!has(key)) fail("{}: key '{}' is missing; expected {}", name_, key, expected);
    return json_[key];
}

template <class T>
T JsonObject::get(const std::string& key) const {
    const Json& found = at(key, Kind<T>::kText);
    if (!Kind<T>::fits(found)) refuse(name_, key, found, Kind<T>::kText);
    return found.get<T>();
}

std::int64_t JsonObject::whole(const std::string& key, std::int64_t least, std::int64_t most) const {
    const std::string expected = most == std::numeric_limits<std::int64_t>::max()
                                     ? fmt::format("a whole number, {} or more", least)
                                     : fmt::format("a whole number from {} to {}", least, most);
    const Json& found = at(key, expected);
    if (!is_whole(found)) refuse(name_, key, found, expected);
    const auto value = found.get<std::int64_t>();
    if (value < least || value > most) refuse(name_, key, found, expected);
    return value;
}

template std::string JsonObject::get(const std::string&) const;
template bool JsonObject::get(const std::string&) const;
template double JsonObject::get(const std::string&) const;
template std::int64_t JsonObject::get(const std::string&) const;
template std::uint64_t JsonObject::get(const std::string&) const;
template std::vector<std::int64_t> JsonObject::get(const std::string&) const;

}  // namespace bv
