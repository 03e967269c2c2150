#pragma once

#include <cstdint>
#include <filesystem>

namespace bv {

/// Bytes that this process and its children can still take without swapping: what Linux says of the host, or
/// the control groups (version 1 and 2) of a job or container leave of it, whichever is less. What a group
/// could drop of its file cache counts as free. 0 where the host does not say. `root` is the folder that
/// holds /proc and /sys.
std::int64_t available_host_memory(const std::filesystem::path& root = "/");

}  // namespace bv
