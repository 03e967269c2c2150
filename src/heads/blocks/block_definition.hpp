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
    std::map<std::string, std::vector<Chain>>
        chains;  ///< the values of keys that hold blocks: one chain, or several

    bool has(const std::string& key) const { return settings.contains(key) || chains.contains(key); }

    // The functions below throw Error, which names the place, when the value is missing or is not as
    // described.

    /// The whole number of `key`, from 1 to a million.
    std::int64_t positive(const std::string& key) const;

    /// The same, with `most` as the largest number.
    std::int64_t positive_up_to(std::int64_t most, const std::string& key) const;

    /// The whole number of `key`, from 1 to a million; `otherwise` if the key is missing.
    std::int64_t positive(const std::string& key, std::int64_t otherwise) const;

    /// The number of `key`, above 0 and below 1.
    double fraction(const std::string& key) const;

    /// The boolean of `key`; `otherwise` if the key is missing.
    bool truth(const std::string& key, bool otherwise) const;

    /// The string of `key`, which is one of `choices`; the first of them if the key is missing.
    std::string choice(const std::string& key, const std::vector<std::string>& choices) const;

    /// The blocks of `key`, at least one: key = [{ type = ... }, ...].
    const Chain& blocks(const std::string& key) const;

    /// The chains of blocks of `key`, at least two: key = [[{ type = ... }, ...], ...].
    const std::vector<Chain>& branches(const std::string& key) const;
};

}  // namespace bv
