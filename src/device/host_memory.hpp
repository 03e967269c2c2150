#pragma once

#include <cstdint>
#include <filesystem>

namespace bv {

/// The bytes that this process and its children can still take without swapping. This is the smaller of two
/// numbers: what Linux says is available on the host, and what the control groups (version 1 and 2) of a
/// job or container leave. File cache that a group could drop counts as free. 0 when the host does not say.
/// `root` is the folder that holds /proc and /sys.
std::int64_t available_host_memory(const std::filesystem::path& root = "/");

}  // namespace bv
