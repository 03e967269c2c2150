#include "config/output_check.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include <CLI/CLI.hpp>

#include "core/error.hpp"
#include "io/files.hpp"
#include "io/paths.hpp"
#include "io/toml.hpp"

namespace bv {
namespace {

/// Whether a TOML file has the settings of one program alone, as the file that this program writes beside its
/// output: it is then replaced by these settings, and nothing is lost.
bool has_only(const std::string& path, const std::string& table) {
    const toml::table file = parse_toml(read_file(path), path);
    return std::ranges::all_of(file, [&](const auto& entry) { return entry.first == table; });
}

/// Whether an option names the file `path`, which need not exist if both are outputs.
bool name_same_file(const std::string& path, const CLI::Option& other, bool both_are_outputs) {
    return std::ranges::any_of(other.results(), [&](const std::string& value) {
        std::error_code missing;
        return std::filesystem::equivalent(value, path, missing) ||
               (both_are_outputs && lies_in(value, path) && lies_in(path, value));
    });
}

}  // namespace

void require_no_special_file(const CLI::Option& option, bool force) {
    const std::filesystem::path path = option.as<std::string>();
    std::error_code unknown;  // whoever writes the file reports what is wrong
    const auto status = std::filesystem::symlink_status(path, unknown);
    const bool kept = !force && std::filesystem::is_regular_file(path, unknown);
    if (std::filesystem::is_symlink(status) && !kept)
        fail("{}: {} is a symbolic link; give the path that it points to", option.get_name(), path.string());
    if (std::filesystem::is_other(status) && !std::filesystem::is_symlink(status))
        fail("{}: {} is no regular file", option.get_name(), path.string());
}

void require_other_file(const CLI::Option& output, const CLI::Option& other, bool both_are_outputs,
                        const std::string& table) {
    const auto path = output.as<std::string>();
    for (const char* end : {"", ".toml", ".partial", ".lock"}) {
        const std::string own = path + end;
        if (!name_same_file(own, other, both_are_outputs)) continue;
        if (own == path) fail("{} and {} name the same file: {}", other.get_name(), output.get_name(), path);
        if (!table.empty() && own == path + ".toml" && has_only(own, table)) continue;
        fail("{} names {}, which is written beside {} {}", other.get_name(), own, output.get_name(), path);
    }
}

}  // namespace bv
