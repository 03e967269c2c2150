#include "device/host_memory.hpp"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace bv {
namespace {

namespace fs = std::filesystem;

/// The names of a memory group's files, which depend on the version.
struct GroupFiles {
    const char* limit;
    const char* usage;
    const char*
        cache;  ///< the line of memory.stat that counts the file cache of the group and those below it
};
constexpr GroupFiles kVersion1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};
constexpr GroupFiles kVersion2{"memory.max", "memory.current", "inactive_file"};

/// The number in a file; no value if there is no such file or it holds a word ("max").
std::optional<std::int64_t> number_in(const fs::path& path) {
    std::ifstream file(path);
    std::int64_t number = 0;
    if (file >> number) return number;
    return {};
}

/// The number after `key` in a file of lines such as "MemAvailable:   123 kB"; no value if there is none.
std::optional<std::int64_t> number_behind(const std::string& key, const fs::path& path) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string name;
        std::int64_t number = 0;
        if (words >> name >> number && name == key) return number;
    }
    return {};
}

/// The bytes that the group in `folder` leaves; no value if it has no limit.
std::optional<std::int64_t> left_by(const fs::path& folder, const GroupFiles& files) {
    const auto limit = number_in(folder / files.limit);
    const auto usage = number_in(folder / files.usage);
    if (!limit || !usage) return {};
    const std::int64_t cache = number_behind(files.cache, folder / "memory.stat").value_or(0);
    return std::max<std::int64_t>(0, *limit - *usage + std::min(cache, *usage));
}

/// The smallest of `least` and of the bytes that the group at `path` below `mount` and its ancestors leave.
/// Inside a container `path` may be a path of the host, and the mount may show only the end of it, or
/// nothing. So a group that is not there counts as one without a limit, and the mount itself is always read.
std::int64_t least_left(const fs::path& mount, fs::path path, const GroupFiles& files, std::int64_t least) {
    for (;; path = path.parent_path()) {
        if (const auto left = left_by(mount / path.relative_path(), files)) least = std::min(least, *left);
        if (!path.has_relative_path()) return least;
    }
}

bool is_listed(const std::string& wanted, const std::string& names) {
    std::istringstream all(names);
    for (std::string name; std::getline(all, name, ',');) {
        if (name == wanted) return true;
    }
    return false;
}

}  // namespace

std::int64_t available_host_memory(const fs::path& root) {
    const auto of_host = number_behind("MemAvailable:", root / "proc/meminfo");
    if (!of_host) return 0;
    std::int64_t least = *of_host * 1024;
    // Lines "number:controllers:path"; version 2 has the number 0 and no controllers.
    std::ifstream groups(root / "proc/self/cgroup");
    const fs::path mounts = root / "sys/fs/cgroup";
    std::string number, controllers, path;
    while (std::getline(groups, number, ':') && std::getline(groups, controllers, ':') &&
           std::getline(groups, path)) {
        if (is_listed("memory", controllers)) {
            least = least_left(mounts / "memory", path, kVersion1, least);
        } else if (controllers.empty()) {
            least = least_left(mounts, path, kVersion2, least);
        }
    }
    return least;
}

}  // namespace bv
