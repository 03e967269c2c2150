#include "heads/head_definition.hpp"

#include <algorithm>
#include <filesystem>

#include "core/error.hpp"
#include "core/nearest.hpp"
#include "heads/blocks/block.hpp"
#include "io/files.hpp"
#include "io/toml.hpp"

namespace bv {
namespace {

std::string place_in(const std::string& file, const toml::node& node) {
    return fmt::format("{}:{}", file, node.source().begin.line);
}

void require_known(const std::string& place, const std::string& what, const std::string& name,
                   const std::vector<std::string>& known) {
    if (std::find(known.begin(), known.end(), name) != known.end()) return;
    if (known.empty()) fail("{}: unknown {} '{}'; none is known here", place, what, name);
    fail("{}: unknown {} '{}'; the nearest known one is '{}'", place, what, name, nearest(name, known));
}

BlockDefinition::Value value_of(const toml::node& node, const std::string& place, const std::string& key) {
    if (auto truth = node.value_exact<bool>()) return *truth;
    if (auto whole = node.value_exact<std::int64_t>()) return *whole;
    if (auto real = node.value_exact<double>()) return *real;
    if (auto text = node.value_exact<std::string>()) return *text;
    fail("{}: '{}' must be a string, a number, a boolean or an array of blocks", place, key);
}

BlockDefinition read_block(const toml::node& node, const std::string& file);

BlockDefinition::Chain read_chain(const toml::array& array, const std::string& file, const std::string& key) {
    if (array.empty()) fail("{}: '{}' holds no block", place_in(file, array), key);
    BlockDefinition::Chain chain;
    for (const toml::node& block : array) chain.push_back(read_block(block, file));
    return chain;
}

/// Reads an array of blocks as one chain, and an array of such arrays as several chains.
std::vector<BlockDefinition::Chain> read_chains(const toml::array& array, const std::string& file,
                                                const std::string& key) {
    if (array.empty() || !array.front().is_array()) return {read_chain(array, file, key)};
    std::vector<BlockDefinition::Chain> chains;
    for (const toml::node& chain : array) {
        if (!chain.is_array())
            fail("{}: '{}' mixes blocks and arrays of blocks; expected only one of the two",
                 place_in(file, chain), key);
        chains.push_back(read_chain(*chain.as_array(), file, key));
    }
    return chains;
}

BlockDefinition read_block(const toml::node& node, const std::string& file) {
    BlockDefinition block;
    block.place = place_in(file, node);
    const toml::table* table = node.as_table();
    if (table == nullptr)
        fail("{}: a block must be a table such as {{ type = \"linear\", width = 2 }}", block.place);
    const toml::node* type = table->get("type");
    if (type == nullptr || !type->is_string())
        fail("{}: the block has no 'type'; expected a string", block.place);
    block.type = type->value_or(std::string());

    std::vector<std::string> types;
    std::vector<std::string> keys{"type"};
    for (const BlockType& known : block_types()) {
        types.push_back(known.name);
        if (known.name == block.type) keys.insert(keys.end(), known.keys.begin(), known.keys.end());
    }
    require_known(block.place, "block type", block.type, types);
    for (const auto& [key, value] : *table) {
        const std::string name(key.str());
        const std::string place = place_in(file, value);
        require_known(place, "key of block '" + block.type + "'", name, keys);
        if (name == "type") continue;
        if (value.is_array()) {
            block.chains.emplace(name, read_chains(*value.as_array(), file, name));
        } else {
            block.settings.emplace(name, value_of(value, place, name));
        }
    }
    return block;
}

}  // namespace

HeadDefinition parse_head(std::string name, std::string text, const std::string& place) {
    const toml::table table = parse_toml(text, place);
    HeadDefinition head;
    for (const auto& [key, value] : table) {
        require_known(place_in(place, value), "key", std::string(key.str()),
                      {"task", "blocks", "each_layer"});
    }
    const toml::node* task = table.get("task");
    if (task == nullptr || !task->is_string())
        fail("{}: there is no 'task'; expected \"span\" or \"classification\"", place);
    const std::string word = task->value_or(std::string());
    require_known(place_in(place, *task), "task", word, words_of<Task>());
    head.task = parse<Task>(word);
    const toml::array* blocks = table.get_as<toml::array>("blocks");
    if (blocks == nullptr) fail("{}: there is no 'blocks'; expected an array of at least one block", place);
    head.blocks = read_chain(*blocks, place, "blocks");
    if (const toml::node* each = table.get("each_layer")) {
        if (!each->is_boolean()) fail("{}: 'each_layer' must be true or false", place_in(place, *each));
        head.each_layer = each->value_or(false);
    }
    head.name = std::move(name);
    head.text = std::move(text);
    return head;
}

HeadDefinition find_head(const std::string& name_or_file) {
    const std::filesystem::path path(name_or_file);
    if (path.extension() == ".toml") return parse_head(path.stem().string(), read_file(path), path.string());
    std::vector<std::string> names;
    for (const BuiltInHead& head : built_in_heads()) {
        if (head.name == name_or_file) {
            return parse_head(name_or_file, std::string(head.text),
                              fmt::format("configs/heads/{}.toml", head.name));
        }
        names.emplace_back(head.name);
    }
    fail("unknown head '{}'; the nearest known one is '{}' (the path of a TOML file must end in .toml)",
         name_or_file, nearest(name_or_file, names));
}

}  // namespace bv
