#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "core/error.hpp"

namespace bv {

/// Specialised for each enum whose values users write as words in flags, TOML and files. `kKind` is the name
/// of such a value in messages. `kWords` is an array with one word for each value, in the enum's order.
template <class E>
struct Words;

template <class E>
concept HasWords = requires {
    Words<E>::kWords;
};

/// The word of a value.
template <HasWords E>
std::string to_string(E value) {
    return std::string(Words<E>::kWords[static_cast<std::size_t>(value)]);
}

/// All words of an enum, in its order.
template <HasWords E>
std::vector<std::string> words_of() {
    return {Words<E>::kWords.begin(), Words<E>::kWords.end()};
}

/// All words of an enum for messages: "span, classification".
template <HasWords E>
std::string choices() {
    std::string text;
    for (const std::string_view word : Words<E>::kWords) {
        text += text.empty() ? "" : ", ";
        text += word;
    }
    return text;
}

/// The value of a word; no value if the enum has no such word.
template <HasWords E>
std::optional<E> find_word(std::string_view word) {
    const auto& words = Words<E>::kWords;
    const auto found = std::find(words.begin(), words.end(), word);
    if (found == words.end()) return std::nullopt;
    return static_cast<E>(found - words.begin());
}

/// The value of a word. Throws Error, which names the possible words.
template <HasWords E>
E parse(std::string_view word) {
    if (const auto value = find_word<E>(word)) return *value;
    fail("'{}' is no {}; known: {}", word, Words<E>::kKind, choices<E>());
}

}  // namespace bv

/// Prints the word.
template <bv::HasWords E>
struct fmt::formatter<E, char> : fmt::formatter<std::string> {
    template <class Context>
    auto format(E value, Context& context) const {
        return fmt::formatter<std::string>::format(bv::to_string(value), context);
    }
};
