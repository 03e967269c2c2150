#pragma once

#include <string>

namespace CLI {
class Option;
}

namespace bv {

/// Throws Error if there is a link or a special file at the path that `option` names: a file that is written
/// beside it and moved to its place would replace the link or the device itself. Without `force` a file that
/// is there is not replaced, so a link to it may stay.
void require_no_special_file(const CLI::Option& option, bool force);

/// Throws Error if `other` names the file of `output`, or one that programs write beside it (OUTPUT.toml,
/// OUTPUT.partial, OUTPUT.lock). Files need not exist if both are outputs. `table` is given if
/// `other` is --config. --config may name OUTPUT.toml if that file has only this table: this program wrote
/// it, and writes the same settings again.
void require_other_file(const CLI::Option& output, const CLI::Option& other, bool both_are_outputs,
                        const std::string& table = "");

}  // namespace bv
