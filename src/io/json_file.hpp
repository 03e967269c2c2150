#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace bv {

/// A value in a JSON file and its place there. All members but value(), name(), file() and has() throw Error
/// if the value, or the member that they read, is missing or of another kind; the error names file and key,
/// what was found and what was expected. A member that is null counts as missing. A place is valid as long as
/// its JsonFile.
class JsonPlace {
  public:
    const nlohmann::json& value() const { return *value_; }

    /// The file's name, and the key: "x.json: key 'a.b[3]'". Only the file's name for the whole file.
    std::string name() const;

    /// The file's name.
    const std::string& file() const { return *file_; }

    /// Throws Error: the value is no `expected`.
    [[noreturn]] void wrong(std::string_view expected) const;

    /// Whether the value is an object with a member `key` that is not null.
    bool has(const std::string& key) const;

    /// The member `key`. The error for a missing one says what was `expected`, unless this is empty.
    JsonPlace at(const std::string& key, std::string_view expected = "") const;

    /// The member `key`; no value if it is missing.
    std::optional<JsonPlace> find(const std::string& key) const;

    /// The elements of a list.
    std::vector<JsonPlace> elements() const;

    /// The members of an object and their keys, ordered by key. Members that are null are among them.
    std::vector<std::pair<std::string, JsonPlace>> members() const;

    /// The value. T is std::string, bool, double, std::int64_t, std::uint64_t or a std::vector of
    /// std::string or std::int64_t; a number is never rounded or cut to fit.
    template <class T>
    T get() const;

    /// The member `key`.
    template <class T>
    T get(const std::string& key) const;

    /// The member `key`, or `otherwise` if it is missing.
    template <class T>
    T get(const std::string& key, T otherwise) const {
        return has(key) ? get<T>(key) : otherwise;
    }

    /// The value as a whole number from `least` to `most`.
    std::int64_t whole(std::int64_t least, std::int64_t most) const;

    /// The member `key` as a whole number from `least` to `most`.
    std::int64_t whole(const std::string& key, std::int64_t least,
                       std::int64_t most = std::numeric_limits<std::int64_t>::max()) const;

  private:
    friend class JsonFile;
    JsonPlace(const nlohmann::json& value, const std::string& file, std::string key)
        : value_(&value), file_(&file), key_(std::move(key)) {}

    const nlohmann::json* value_;
    const std::string* file_;
    std::string key_;  // empty for the whole file
};

/// A JSON file that holds an object.
class JsonFile {
  public:
    /// Reads the file. Throws Error, which names it, if it cannot be read or holds no JSON object.
    explicit JsonFile(const std::filesystem::path& path);

    /// `content` has been read from `name`. Throws Error, which says this name, if it is no object.
    JsonFile(nlohmann::json content, std::string name);

    const std::string& name() const { return name_; }

    /// The whole object.
    JsonPlace place() const { return {content_, name_, ""}; }

  private:
    std::string name_;
    nlohmann::json content_;
};

}  // namespace bv
