#include "programs/plan/study_reader.hpp"

#include <algorithm>
#include <sstream>

#include "core/nearest.hpp"

namespace bv {

void StudyReader::require_no_other_keys() const {
    for (const auto& [key, node] : table_) {
        const std::string name(key.str());
        if (std::ranges::find(known_, name) != known_.end()) continue;
        fail("{}:{}: unknown key '{}' in [study]; the nearest known one is '{}'", file_,
             key.source().begin.line, name, nearest(name, known_));
    }
}

std::string StudyReader::place(const std::string& key, const toml::node& node) const {
    return fmt::format("{}:{}: [study] {}", file_, node.source().begin.line, key);
}

void StudyReader::refuse(const std::string& key, const toml::node& node, const std::string& wanted) const {
    std::ostringstream found;
    found << node.type();
    fail("{} must be {}; found: {}", place(key, node), wanted, found.str());
}

}  // namespace bv
