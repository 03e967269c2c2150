#include "heads/blocks/block_definition.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/nearest.hpp"

namespace bv {

namespace {

std::string text_of(const BlockDefinition::Value& value) {
    const auto* word = std::get_if<std::string>(&value);
    return word != nullptr ? '"' + *word + '"'
                           : std::visit([](const auto& of) { return fmt::format("{}", of); }, value);
}

/// Throws Error: the value of `key` in `block` is missing, or is not what is `wanted`.
[[noreturn]] void refuse(const BlockDefinition& block, const std::string& key, const std::string& wanted) {
    const auto found = block.settings.find(key);
    if (found == block.settings.end())
        fail("{}: block '{}' needs the key '{}': {}", block.place, block.type, key, wanted);
    fail("{}: '{}' of block '{}' is {}; expected {}", block.place, key, block.type, text_of(found->second),
         wanted);
}

}  // namespace

std::int64_t BlockDefinition::positive(const std::string& key) const {
    return positive_up_to(1'000'000, key);  // the product of three stays below 2^63
}

std::int64_t BlockDefinition::positive_up_to(std::int64_t most, const std::string& key) const {
    const auto found = settings.find(key);
    const std::int64_t* value = found == settings.end() ? nullptr : std::get_if<std::int64_t>(&found->second);
    if (value == nullptr || *value < 1 || *value > most)
        refuse(*this, key, fmt::format("a whole number from 1 to {}", most));
    return *value;
}

std::int64_t BlockDefinition::positive(const std::string& key, std::int64_t otherwise) const {
    return has(key) ? positive(key) : otherwise;
}

double BlockDefinition::fraction(const std::string& key) const {
    const auto found = settings.find(key);
    const double* value = found == settings.end() ? nullptr : std::get_if<double>(&found->second);
    if (value == nullptr || !(*value > 0 && *value < 1)) refuse(*this, key, "a number above 0 and below 1");
    return *value;
}

bool BlockDefinition::truth(const std::string& key, bool otherwise) const {
    if (!has(key)) return otherwise;
    const auto found = settings.find(key);
    const bool* value = found == settings.end() ? nullptr : std::get_if<bool>(&found->second);
    if (value == nullptr) fail("{}: '{}' of block '{}' must be true or false", place, key, type);
    return *value;
}

std::string BlockDefinition::choice(const std::string& key, const std::vector<std::string>& choices) const {
    if (!has(key)) return choices.front();
    const auto found = settings.find(key);
    const std::string* value = found == settings.end() ? nullptr : std::get_if<std::string>(&found->second);
    if (value == nullptr) {
        fail("{}: '{}' of block '{}' must be a string such as \"{}\"", place, key, type, choices.front());
    }
    if (std::find(choices.begin(), choices.end(), *value) == choices.end()) {
        fail("{}: unknown '{}' of block '{}': '{}'; the nearest known one is '{}'", place, key, type, *value,
             nearest(*value, choices));
    }
    return *value;
}

const BlockDefinition::Chain& BlockDefinition::blocks(const std::string& key) const {
    const auto found = chains.find(key);
    if (found == chains.end() || found->second.size() != 1) {
        fail("{}: block '{}' needs the key '{}': an array of at least one block", place, type, key);
    }
    return found->second.front();
}

const std::vector<BlockDefinition::Chain>& BlockDefinition::branches(const std::string& key) const {
    const auto found = chains.find(key);
    if (found == chains.end() || found->second.size() < 2) {
        fail("{}: block '{}' needs the key '{}': an array of at least two arrays of blocks", place, type,
             key);
    }
    return found->second;
}

}  // namespace bv
