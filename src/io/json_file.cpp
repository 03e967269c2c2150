#include "io/json_file.hpp"

#include <algorithm>

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

/// Describes a value of type T in words and tests for it.
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
    static constexpr const char* kText = "a whole number of 64 bits";
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

template <>
struct Kind<std::vector<std::string>> {
    static constexpr const char* kText = "a list of strings";
    static bool fits(const Json& json) {
        return json.is_array() &&
               std::all_of(json.begin(), json.end(), [](const Json& one) { return one.is_string(); });
    }
};

std::string range_text(std::int64_t least, std::int64_t most) {
    return most == std::numeric_limits<std::int64_t>::max()
               ? fmt::format("a whole number, {} or more", least)
               : fmt::format("a whole number from {} to {}", least, most);
}

}  // namespace

std::string JsonPlace::name() const {
    return key_.empty() ? *file_ : fmt::format("{}: key '{}'", *file_, key_);
}

void JsonPlace::wrong(std::string_view expected) const {
    fail("{} is {}; expected {}", name(), short_text(*value_), expected);
}

bool JsonPlace::has(const std::string& key) const {
    if (!value_->is_object()) return false;
    const auto found = value_->find(key);
    return found != value_->end() && !found->is_null();
}

JsonPlace JsonPlace::at(const std::string& key, std::string_view expected) const {
    if (!value_->is_object()) wrong("an object");
    std::string full = key_.empty() ? key : key_ + "." + key;
    if (!has(key)) {
        fail("{}: key '{}' is {}{}{}", *file_, full, value_->contains(key) ? "null" : "missing",
             expected.empty() ? "" : "; expected ", expected);
    }
    return {(*value_)[key], *file_, std::move(full)};
}

std::optional<JsonPlace> JsonPlace::find(const std::string& key) const {
    if (!has(key)) return std::nullopt;
    return at(key);
}

std::vector<JsonPlace> JsonPlace::elements() const {
    if (!value_->is_array()) wrong("a list");
    std::vector<JsonPlace> all;
    all.reserve(value_->size());
    for (const Json& element : *value_)
        all.push_back({element, *file_, fmt::format("{}[{}]", key_, all.size())});
    return all;
}

std::vector<std::pair<std::string, JsonPlace>> JsonPlace::members() const {
    if (!value_->is_object()) wrong("an object");
    std::vector<std::pair<std::string, JsonPlace>> all;
    all.reserve(value_->size());
    for (const auto& [key, member] : value_->items())
        all.emplace_back(key, JsonPlace(member, *file_, key_.empty() ? key : key_ + "." + key));
    return all;
}

template <class T>
T JsonPlace::get() const {
    if (!Kind<T>::fits(*value_)) wrong(Kind<T>::kText);
    return value_->get<T>();
}

template <class T>
T JsonPlace::get(const std::string& key) const {
    return at(key, Kind<T>::kText).template get<T>();
}

std::int64_t JsonPlace::whole(std::int64_t least, std::int64_t most) const {
    const bool fits = is_whole(*value_) && *value_ >= least && *value_ <= most;
    if (!fits) wrong(range_text(least, most));
    return value_->get<std::int64_t>();
}

std::int64_t JsonPlace::whole(const std::string& key, std::int64_t least, std::int64_t most) const {
    return at(key, range_text(least, most)).whole(least, most);
}

JsonFile::JsonFile(const std::filesystem::path& path) : JsonFile(read_json(path), path.string()) {}

JsonFile::JsonFile(Json content, std::string name) : name_(std::move(name)), content_(std::move(content)) {
    if (!content_.is_object()) fail("{}: expected a JSON object", name_);
}

#define BV_JSON_TYPE(T)                \
    template T JsonPlace::get() const; \
    template T JsonPlace::get(const std::string&) const;
BV_JSON_TYPE(std::string)
BV_JSON_TYPE(bool)
BV_JSON_TYPE(double)
BV_JSON_TYPE(std::int64_t)
BV_JSON_TYPE(std::uint64_t)
BV_JSON_TYPE(std::vector<std::int64_t>)
BV_JSON_TYPE(std::vector<std::string>)
#undef BV_JSON_TYPE

}  // namespace bv
