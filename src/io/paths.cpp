#include "io/paths.hpp"

#include "core/error.hpp"

namespace bv {
namespace {

/// The kind of the file at `path`. Throws Error if the system cannot tell.
std::filesystem::file_status status_of(const std::filesystem::path& path) {
    std::error_code wrong;  // also set where nothing stands there
    const auto status = std::filesystem::status(path, wrong);
    if (!std::filesystem::status_known(status)) fail("cannot look at {}: {}", path.string(), wrong.message());
    return status;
}

}  // namespace

bool is_there(const std::filesystem::path& path) {
    return std::filesystem::exists(status_of(path));
}

bool is_folder(const std::filesystem::path& path) {
    return std::filesystem::is_directory(status_of(path));
}

bool is_file(const std::filesystem::path& path) {
    return std::filesystem::is_regular_file(status_of(path));
}

bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder) {
    const auto absolute = [](const std::filesystem::path& of) {
        std::error_code unknown;
        const auto from_root = std::filesystem::absolute(of, unknown);
        const auto found = std::filesystem::weakly_canonical(from_root, unknown);
        return unknown ? of : found;
    };
    const auto inside = absolute(path).lexically_relative(absolute(folder));
    return !inside.empty() && *inside.begin() != "..";
}

std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> paths;
    std::error_code wrong;
    std::filesystem::directory_iterator entry(folder, wrong);
    for (; !wrong && entry != std::filesystem::directory_iterator(); entry.increment(wrong))
        paths.push_back(entry->path());
    if (wrong) fail("cannot list {}: {}", folder.string(), wrong.message());
    return paths;
}

std::uintmax_t file_bytes(const std::filesystem::path& path) {
    std::error_code wrong;
    const std::uintmax_t bytes = std::filesystem::file_size(path, wrong);
    if (wrong) fail("cannot look at {}: {}", path.string(), wrong.message());
    return bytes;
}

}  // namespace bv
