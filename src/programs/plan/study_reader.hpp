#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "io/toml.hpp"

namespace bv {

/// Reads the table [study] of a file key by key. Every function throws Error, which names the file, the line
/// and the key.
class StudyReader {
  public:
    /// `table` must outlive this object.
    StudyReader(const toml::table& table, std::string file) : table_(table), file_(std::move(file)) {}

    /// Throws Error when the table has a key that was not read; the message also names the nearest key that
    /// was.
    void require_no_other_keys() const;

    /// Returns what `parse` makes of the values of `key`; an empty list when the key is missing. `parse` may
    /// throw Error to refuse a value. A value that is there twice is refused.
    template <class T, class Parse>
    auto list(const std::string& key, const Parse& parse) {
        std::vector<decltype(parse(T()))> values;
        each<T>(key, [&](const T& value) {
            auto parsed = parse(value);
            if (std::find(values.begin(), values.end(), parsed) != values.end())
                fail("it names {} twice", value);
            values.push_back(std::move(parsed));
        });
        return values;
    }

    /// Sets `value` to the value of `key`. Does nothing when the key is missing. `check` may throw Error to
    /// refuse the value.
    template <class T>
    void one(const std::string& key, T& value, const std::function<void(const T&)>& check) {
        const auto take = [&](const T& found) {
            check(found);
            value = found;
        };
        if (const toml::node* node = find(key)) {
            give<T>(key, *node, fmt::format("a {}", word_of<T>()), take);
        }
    }

    /// Sets `value` to the value of `key`, true or false. Does nothing when the key is missing.
    void truth(const std::string& key, bool& value) {
        if (const toml::node* node = find(key)) {
            if (!node->is_boolean()) refuse(key, *node, "true or false");
            value = node->value_or(value);
        }
    }

  private:
    /// Calls `take` for each value of `key`, which may be a list or one value. `take` may throw Error to
    /// refuse a value.
    template <class T>
    void each(const std::string& key, const std::function<void(const T&)>& take) {
        const toml::node* node = find(key);
        if (node == nullptr) return;
        const std::string wanted = fmt::format("a list of {}s", word_of<T>());
        if (const toml::array* array = node->as_array()) {
            for (const toml::node& item : *array) give(key, item, wanted, take);
        } else {
            give(key, *node, wanted, take);
        }
    }

    /// The word for a T in messages.
    template <class T>
    static std::string word_of() {
        if constexpr (std::is_same_v<T, std::string>) return "string";
        return std::is_same_v<T, double> ? "number" : "whole number";
    }

    /// The value of `key`; null when it is missing.
    const toml::node* find(const std::string& key) {
        known_.push_back(key);
        return table_.get(key);
    }

    std::string place(const std::string& key, const toml::node& node) const;
    [[noreturn]] void refuse(const std::string& key, const toml::node& node, const std::string& wanted) const;

    /// Calls `take` with the value of `node`, which must be a T. A whole number counts as a double too.
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
    std::vector<std::string> known_;  // the keys that were read
};

}  // namespace bv
