#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace bv {

/// Whether there is anything, a folder, or a regular file at `path`. All three throw Error, which names the
/// path, if the system cannot tell: the name is too long, links form a circle, or there is no permission.
bool is_there(const std::filesystem::path& path);
bool is_folder(const std::filesystem::path& path);
bool is_file(const std::filesystem::path& path);

/// Whether `path`, which need not exist, is `folder` or lies in it. Links are followed.
bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder);

/// The paths of everything in `folder`, in no order. Throws Error, which names the folder.
std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder);

/// The size of the file at `path` in bytes. Throws Error, which names the path.
std::uintmax_t file_bytes(const std::filesystem::path& path);

}  // namespace bv
