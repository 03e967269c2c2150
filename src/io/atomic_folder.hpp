#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace bv {

/// Writes a folder so that it exists only when it is whole. `fill(path)` writes into FOLDER.partial and
/// returns the content of the file `marker`. The folder is flushed to disk and renamed; the marker is
/// written last. Whatever was at `folder` is replaced. If `fill` throws, the partial folder is removed.
/// Throws Error, which names the path, for example when the disk is full.
void write_whole_folder(std::filesystem::path folder, const std::string& marker,
                        const std::function<std::string(const std::filesystem::path&)>& fill);

/// Removes the folder, if it exists. The marker is removed first, so that a folder of which only a part is
/// removed does not count. Throws Error, which names the path.
void remove_whole_folder(const std::filesystem::path& folder, const std::string& marker);

}  // namespace bv
