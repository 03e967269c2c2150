#include "programs/plan/study_reader.hpp"

#include <algorithm>
#include <sstream>
#include <utility>

#include "core/nearest.hpp"

namespace bv {

StudyReader::StudyReader(const toml::table& table, std::string file, const std::vector<std::string>& known)
    : table_(table), file_(std::move(file)) {
    for (const auto& [key, node] : table) {
        const std::string name(key.str());
        if (std::find(known.begin(), known.end(), name) != known.end()) continue;
        fail("{}:{}: unknown key '{}' in [study]; the nearest known one is '{}'", file_,
             key.source().begin.line, name, nearest(name, known));
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
