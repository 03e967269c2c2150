#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "core/error.hpp"

namespace bv {

/// A value in a JSON file and its place there, for errors that name file, key and what was found. The value
/// must outlive this object.
class JsonPlace {
  public:
    JsonPlace(const nlohmann::json& value, std::string name, bool root = true)
        : value_(&value), name_(std::move(name)), root_(root) {}

    const nlohmann::json& value() const { return *value_; }
    const std::string& name() const { return name_; }

    /// Throws Error, which names the place, the value and the `expected` kind of value.
    [[noreturn]] void wrong(std::string_view expected) const {
        std::string found = value_->dump();
        if (found.size() > 80) found = fmt::format("a long value of type {}", value_->type_name());
        fail("{} is {}, expected {}", name_, found, expected);
    }

    bool has(const std::string& key) const { return value_->is_object() && value_->contains(key); }

    /// The member `key` and its place. Throws Error if the value is no object or has no such member.
    JsonPlace at(const std::string& key) const {
        if (!value_->is_object()) wrong("an object");
        if (!value_->contains(key)) fail("{}: key {} is missing", name_, key);
        return {(*value_)[key], name_ + (root_ ? ": " : ".") + key, false};
    }

    /// The element `index` of the array and its place. The array must have it.
    JsonPlace at(std::size_t index) const {
        return {(*value_)[index], name_ + "[" + std::to_string(index) + "]", false};
    }

    /// The value as a string. Throws Error if it is none.
    std::string text() const {
        if (!value_->is_string()) wrong("a text");
        return value_->get<std::string>();
    }

    /// The value as an id, a whole number from 0 to 2^31 - 1. Throws Error if it is none.
    std::int32_t id() const {
        constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
        const bool fits = value_->is_number_integer() && *value_ >= 0 && *value_ <= kMost;
        if (!fits) wrong("an id, a whole number of at least 0");
        return value_->get<std::int32_t>();
    }

    /// The flag at `key`; no value if it is absent or null. Throws Error if it is not a boolean.
    std::optional<bool> flag(const std::string& key) const {
        if (!has(key) || (*value_)[key].is_null()) return std::nullopt;
        const JsonPlace place = at(key);
        if (!place.value().is_boolean()) place.wrong("true, false or null");
        return place.value().get<bool>();
    }

  private:
    const nlohmann::json* value_;
    std::string name_;
    bool root_;
};

}  // namespace bv
