#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace bv {

/// Whether anything, a folder or a regular file stands at `path`. Throw Error naming a path that cannot be
/// looked at: a name too long, links in a circle, no permission.
bool is_there(const std::filesystem::path& path);
bool is_folder(const std::filesystem::path& path);
bool is_file(const std::filesystem::path& path);

/// Paths of all that stands in `folder`, in no order. Throws Error naming the folder.
std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder);

/// Bytes of the file at `path`. Throws Error naming the path.
std::uintmax_t file_bytes(const std::filesystem::path& path);

}  // namespace bv
