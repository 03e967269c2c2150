#pragma once

#include <cstdint>
#include <filesystem>

namespace bv {

/// Bytes that this process and its children can still take without swapping: what Linux says is available on
/// the host, or what the control groups (version 1 and 2) of a job or container leave, whichever is less.
/// File cache that a group could drop counts as free. 0 where the host does not say. `root` is the folder
/// that holds /proc and /sys.
std::int64_t available_host_memory(const std::filesystem::path& root = "/");

}  // namespace bv
