#include "config/program_table.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "core/nearest.hpp"
#include "io/toml.hpp"

namespace bv {
namespace {

const std::set<std::string>& tables() {
    static const std::set<std::string> names{"study", "prepare", "finetune", "extract",
                                             "train", "eval",    "store",    "plan"};
    return names;
}

std::string place_of(const std::string& path, const toml::node& node) {
    return fmt::format("{}:{}", path, node.source().begin.line);
}

void require_known_tables(const toml::table& study, const std::string& path) {
    for (const auto& [name, node] : study) {
        const std::string place = place_of(path, node);
        if (!tables().contains(std::string(name.str()))) {
            fail("{}: unknown table '{}'; the nearest known one is '{}'", place, name.str(),
                 nearest(std::string(name.str()), {tables().begin(), tables().end()}));
        }
        if (!node.is_table()) fail("{}: '{}' must be a table", place, name.str());
    }
}

std::string text_of(const toml::node& node, const std::string& place, std::string_view key) {
    if (auto text = node.value_exact<std::string>()) return *text;
    if (auto whole = node.value_exact<std::int64_t>()) return std::to_string(*whole);
    if (auto real = node.value_exact<double>()) return fmt::format("{}", *real);
    if (auto truth = node.value_exact<bool>()) return *truth ? "true" : "false";
    fail("{}: '{}': expected a string, a number or a boolean", place, key);
}

}  // namespace

std::string KnownOptions::likely(const std::string& name) const {
    const auto found = sought_as.find(name);
    return found == sought_as.end() ? nearest(name, names) : found->second;
}

std::string key_of(std::string name) {
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

std::vector<TableEntry> read_program_table(std::istream& stream, const std::string& path,
                                           const std::string& table, const KnownOptions& known) {
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    const toml::table study = parse_toml(text, path);
    require_known_tables(study, path);
    std::vector<TableEntry> entries;
    const toml::table* own = study[table].as_table();
    if (own == nullptr) return entries;
    for (const auto& [name, node] : *own) {
        const std::string place = place_of(path, node);
        const std::string key = key_of(std::string(name.str()));
        const auto found = std::find_if(known.names.begin(), known.names.end(),
                                        [&](const auto& option) { return key_of(option) == key; });
        if (found == known.names.end()) {
            fail("{}: unknown key '{}' in [{}]; the nearest known one is '{}'", place, name.str(), table,
                 key_of(known.likely(key)));
        }
        for (const TableEntry& other : entries) {  // a_b and a-b are two keys in TOML, one here
            if (other.option == *found) fail("{}: '{}' in [{}] stands there twice", place, key, table);
        }
        TableEntry& entry = entries.emplace_back(TableEntry{*found, {}});
        if (const toml::array* list = node.as_array()) {
            for (const auto& element : *list) entry.values.push_back(text_of(element, place, name.str()));
        } else {
            entry.values.push_back(text_of(node, place, name.str()));
        }
    }
    return entries;
}

}  // namespace bv
