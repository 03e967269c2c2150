#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>

#include <nlohmann/json.hpp>

namespace bv {

/// The object in a JSON file. If a member is missing or wrong, reading it throws Error, which names file and
/// key, what was found and what was expected. A member that is null counts as missing.
class JsonObject {
  public:
    /// Reads the file. Throws Error, which names it, if it cannot be read or holds no JSON object.
    explicit JsonObject(const std::filesystem::path& path);

    /// The file's name.
    const std::string& name() const { return name_; }

    /// The object as it was read.
    const nlohmann::json& all() const { return json_; }

    /// Whether there is a member `key` that is not null.
    bool has(const std::string& key) const;

    /// The member `key`. T is std::string, bool, double, std::int64_t, std::uint64_t or a std::vector of
    /// std::int64_t; a number is never rounded or cut to fit. Throws Error if the member is missing or is no
    /// T.
    template <class T>
    T get(const std::string& key) const;

    /// The member `key`, or `otherwise` if it is missing. Throws Error if it is no T.
    template <class T>
    T get(const std::string& key, T otherwise) const {
        return has(key) ? get<T>(key) : otherwise;
    }

    /// The whole number `key`, from `least` to `most`. Throws Error if it is missing, no whole number or out
    /// of this range.
    std::int64_t whole(const std::string& key, std::int64_t least,
                       std::int64_t most = std::numeric_limits<std::int64_t>::max()) const;

  private:
    /// Throws Error if the member is missing.
    const nlohmann::json& at(const std::string& key, const std::string& expected) const;

    std::string name_;
    nlohmann::json json_;
};

}  // namespace bv
