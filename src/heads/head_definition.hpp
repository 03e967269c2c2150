#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/task.hpp"
#include "heads/blocks/block_definition.hpp"

namespace bv {

/// What a head is made of: its task and its blocks, first to last. Its TOML holds `task` ("span" or
/// "classification"), `blocks`, an array of tables with a `type` each, and perhaps `each_layer`; FORMAT.md of
/// this folder describes them.
struct HeadDefinition {
    std::string name;  ///< the file's name without .toml
    Task task = Task::span;
    BlockDefinition::Chain blocks;
    bool each_layer = false;  ///< one such head for every hidden state, which it reads alone
    std::string text;         ///< the TOML it was read from
};

/// Reads a definition from `text`; `place` names its file in messages. Throws Error "FILE:LINE: ..." for TOML
/// that does not parse, an unknown key, type or task (naming the nearest known one), or a value of the wrong
/// type.
HeadDefinition parse_head(std::string name, std::string text, const std::string& place);

/// The heads that configs/heads held when the program was built, by name.
struct BuiltInHead {
    std::string_view name;
    std::string_view text;
};
const std::vector<BuiltInHead>& built_in_heads();

/// The head --heads asks for: the path of a TOML file (it ends in .toml), or the name of a built-in head.
/// Throws Error naming the nearest known name, or the file.
HeadDefinition find_head(const std::string& name_or_file);

}  // namespace bv
