#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace bv {

struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/// The pieces of a vocabulary and their ids. They can be looked up by std::string_view.
using Pieces = std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>>;

}  // namespace bv
