#pragma once

#include <istream>
#include <map>
#include <string>
#include <vector>

namespace bv {

/// The long names of a program's options, and other names by which users look for them.
struct KnownOptions {
    std::vector<std::string> names;
    std::map<std::string, std::string> sought_as;  ///< the option that users look for by each name

    /// The option that a user who wrote `name` most likely means.
    std::string likely(const std::string& name) const;
};

/// The key of an option in TOML: its long name with underscores for hyphens.
std::string key_of(std::string name);

/// A key of a program's table.
struct TableEntry {
    std::string option;               ///< the option that it sets
    std::vector<std::string> values;  ///< several where the value is a list
};

/// Reads the table [`table`] of a study file, which may lack it. `path` is the file's name in messages.
/// Throws Error naming file and line for anything wrong: no TOML, an unknown table, an unknown key (naming
/// the nearest known one), a key that stands there twice, a value that no option takes.
std::vector<TableEntry> read_program_table(std::istream& stream, const std::string& path,
                                           const std::string& table, const KnownOptions& known);

}  // namespace bv
