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
    using Chain = std::vector<BlockDefinition>;

    std::string type;
    std::string place;  ///< "FILE:LINE", for messages
    std::map<std::string, Value> settings;
    std::map<std::string, std::vector<Chain>> chains;  ///< keys that hold blocks, or several chains of them

    bool has(const std::string& key) const { return settings.contains(key) || chains.contains(key); }

    // What follows throws Error naming the place where the value is missing or something else.

    /// The positive whole number `key`, a million at most.
    std::int64_t positive(const std::string& key) const;

    /// The positive whole number `key`, or `otherwise` where it is missing.
    std::int64_t positive(const std::string& key, std::int64_t otherwise) const;

    /// The number `key`, above 0 and below 1.
    double fraction(const std::string& key) const;

    /// The boolean `key`, or `otherwise` where it is missing.
    bool truth(const std::string& key, bool otherwise) const;

    /// The string `key`, one of `choices`; the first of them where it is missing.
    std::string choice(const std::string& key, const std::vector<std::string>& choices) const;

    /// The blocks `key`, at least one: key = [{ type = ... }, ...].
    const Chain& blocks(const std::string& key) const;

    /// The chains of blocks `key`, at least two: key = [[{ type = ... }, ...], ...].
    const std::vector<Chain>& branches(const std::string& key) const;
};

}  // namespace bv
