#include "adapter/block_definition.hpp"

#include "core/error.hpp"

namespace bv {

std::int64_t BlockDefinition::positive(const std::string& key) const {
    const auto found = settings.find(key);
    const std::int64_t* value = found == settings.end() ? nullptr : std::get_if<std::int64_t>(&found->second);
    if (value == nullptr || *value < 1) {
        fail("{}: block '{}' needs '{}', a whole number of at least 1", place, type, key);
    }
    return *value;
}

bool BlockDefinition::truth(const std::string& key, bool otherwise) const {
    const auto found = settings.find(key);
    if (found == settings.end()) return otherwise;
    const bool* value = std::get_if<bool>(&found->second);
    if (value == nullptr) fail("{}: '{}' of block '{}' must be true or false", place, key, type);
    return *value;
}

}  // namespace bv
