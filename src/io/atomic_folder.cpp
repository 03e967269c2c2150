#include "io/atomic_folder.hpp"

#include <system_error>

#include "core/error.hpp"
#include "io/files.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;

void create_folder(const fs::path& folder) {
    std::error_code wrong;
    fs::create_directories(folder, wrong);
    if (wrong) fail("cannot create folder {}: {}", folder.string(), wrong.message());
}

void flush_folder(const fs::path& folder) {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) flush_to_disk(entry.path());
    flush_to_disk(folder);
}

}  // namespace

void write_whole_folder(fs::path folder, const std::string& marker,
                        const std::function<std::string(const fs::path&)>& fill) {
    if (!folder.has_filename()) folder = folder.parent_path();  // the trailing slash that users like to type
    fs::path partial = folder;
    partial += ".partial";
    remove_whole_folder(partial, marker);
    create_folder(partial);
    std::string content;
    try {
        content = fill(partial);
        flush_folder(partial);
    } catch (...) {
        std::error_code ignored;
        fs::remove_all(partial, ignored);
        throw;
    }
    remove_whole_folder(folder, marker);
    std::error_code wrong;
    fs::rename(partial, folder, wrong);
    if (wrong) fail("cannot rename {} to {}: {}", partial.string(), folder.string(), wrong.message());
    flush_to_disk(folder.has_parent_path() ? folder.parent_path() : ".");
    write_file(folder / marker, content);
}

void remove_whole_folder(const fs::path& folder, const std::string& marker) {
    for (const fs::path& path : {folder / marker, folder}) {
        std::error_code wrong;
        fs::remove_all(path, wrong);
        if (wrong && wrong != std::errc::not_a_directory) {
            fail("cannot remove {}: {}", path.string(), wrong.message());
        }
    }
}

}  // namespace bv
