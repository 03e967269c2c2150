#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "core/error.hpp"
#include "io/toml.hpp"

namespace bv {

/// Reads the table [study] of a file key by key. Each throws Error naming the file, the line and the key.
class TableReader {
  public:
    /// Throws Error where the table has a key that is not one of `known`, and names the nearest.
    TableReader(const toml::table& table, std::string file, const std::vector<std::string>& known);

    /// Calls `take` for each value of `key`, a list or one value; it may refuse the value by an Error.
    template <class T>
    void each(const std::string& key, const std::function<void(const T&)>& take) const {
        const toml::node* node = table_.get(key);
        if (node == nullptr) return;
        const std::string wanted = fmt::format("a list of {}s", word_of<T>());
        if (const toml::array* array = node->as_array()) {
            for (const toml::node& item : *array) give(key, item, wanted, take);
        } else {
            give(key, *node, wanted, take);
        }
    }

    /// The values of `key`, each of which `check` may refuse by an Error; none where it is missing.
    template <class T>
    std::vector<T> list(const std::string& key, const std::function<void(const T&)>& check) const {
        std::vector<T> values;
        each<T>(key, [&](const T& value) {
            check(value);
            values.push_back(value);
        });
        return values;
    }

    /// Sets `value` to that of `key`, which `check` may refuse; leaves it where the key is missing.
    template <class T>
    void one(const std::string& key, T& value, const std::function<void(const T&)>& check) const {
        const auto take = [&](const T& found) {
            check(found);
            value = found;
        };
        if (const toml::node* node = table_.get(key)) {
            give<T>(key, *node, fmt::format("a {}", word_of<T>()), take);
        }
    }

    /// Sets `value` to that of `key`, true or false.
    void truth(const std::string& key, bool& value) const {
        if (const toml::node* node = table_.get(key)) {
            if (!node->is_boolean()) refuse(key, *node, "true or false");
            value = node->value_or(value);
        }
    }

  private:
    /// What messages call a T.
    template <class T>
    static std::string word_of() {
        if constexpr (std::is_same_v<T, std::string>) return "string";
        return std::is_same_v<T, double> ? "number" : "whole number";
    }

    std::string place(const std::string& key, const toml::node& node) const;
    [[noreturn]] void refuse(const std::string& key, const toml::node& node, const std::string& wanted) const;

    /// Hands `take` the value of `node`, where it is a T; a whole number is a double too.
    template <class T>
    void give(const std::string& key, const toml::node& node, const std::string& wanted,
              const std::function<void(const T&)>& take) const {
        std::optional<T> value = node.value_exact<T>();
        if constexpr (std::is_same_v<T, double>) {
            if (!value) value = node.value_exact<std::int64_t>();
        }
        if (!value) refuse(key, node, wanted);
        try {
            take(*value);
        } catch (const Error& wrong) {
            fail("{}: {}", place(key, node), wrong.what());
        }
    }

    const toml::table& table_;
    std::string file_;
};

}  // namespace bv
