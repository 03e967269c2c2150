#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/task.hpp"
#include "heads/blocks/block_definition.hpp"

namespace bv {

/// The parts of a head: its task and its blocks, first to last. In TOML these are `task` ("span" or
/// "classification") and `blocks`, an array of tables that each have a `type`. `each_layer` may be there
/// too. FORMAT.md of this folder describes them.
struct HeadDefinition {
    std::string name;  ///< the file's name without .toml
    Task task = Task::span;
    BlockDefinition::Chain blocks;
    bool each_layer = false;  ///< makes one head for each hidden state, which reads only this state
    std::string text;         ///< the TOML it was read from
};

/// Reads a definition from `text`; `place` names its file in messages. Throws Error "FILE:LINE: ..." when
/// the TOML does not parse, when a key, type or task is unknown (the message names the nearest known one),
/// or when a value has the wrong type.
HeadDefinition parse_head(std::string name, std::string text, const std::string& place);

/// A head of configs/heads, compiled into the program. `name` is its file's name without .toml, `text` its
/// TOML.
struct BuiltInHead {
    std::string_view name;
    std::string_view text;
};
const std::vector<BuiltInHead>& built_in_heads();

/// Finds the head that --heads names: by the path of a TOML file (it ends in .toml), or by the name of a
/// built-in head. Throws Error, which names the file, or the nearest known name.
HeadDefinition find_head(const std::string& name_or_file);

}  // namespace bv
