#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace bv {

/// One block of a head as its TOML describes it: { type = "adapter", width = 64 }.
struct BlockDefinition {
    using Value = std::variant<bool, std::int64_t, double, std::string>;

    std::string type;
    std::string place;  ///< "FILE:LINE", for messages
    std::map<std::string, Value> settings;

    /// The positive whole number `key`. Throws Error naming the place where it is missing or something else.
    std::int64_t positive(const std::string& key) const;

    /// The boolean `key`, or `otherwise` where it is missing. Throws Error naming the place.
    bool truth(const std::string& key, bool otherwise) const;
};

}  // namespace bv
