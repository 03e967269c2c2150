#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace bv {

/// Writes a folder that exists only once it is whole. `fill(path)` fills FOLDER.partial and returns the
/// content of the file `marker`; the folder is flushed to disk and renamed, the marker comes last. Replaces
/// what stands at `folder`. If `fill` throws, the partial folder is removed. Throws Error naming the path (a
/// full disk, say).
void write_whole_folder(std::filesystem::path folder, const std::string& marker,
                        const std::function<std::string(const std::filesystem::path&)>& fill);

/// Removes the folder, if it is there; the marker first, so that one half removed is none. Throws Error
/// naming the path.
void remove_whole_folder(const std::filesystem::path& folder, const std::string& marker);

}  // namespace bv
