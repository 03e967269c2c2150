#include "io/files.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include <sys/mman.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "core/error.hpp"
#include "io/descriptor.hpp"
#include "io/paths.hpp"

namespace bv {
namespace {

std::string reason() {
    return std::strerror(errno);
}

std::string text_of(XXH128_hash_t hash) {
    return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
    return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

/// Returns whether all of `bytes` was written. If not, errno says why.
bool write_all(int file, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(file, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) fail("cannot read {}: {}", path.string(), reason());
    refuse_folder(path);  // a folder can be opened too, and is read as an empty file
    std::string content;
    try {
        content.assign(std::istreambuf_iterator<char>(stream), {});
    } catch (const std::ios_base::failure&) {  // libstdc++ throws it when the disk fails, asked for or not
        fail("cannot read {}: {}", path.string(), reason());
    }
    return content;
}

void refuse_folder(const std::filesystem::path& path) {
    if (is_folder(path)) fail("cannot read {}: it is a folder", path.string());
}

void flush_to_disk(const std::filesystem::path& path) {
    Descriptor file(path, O_RDONLY);
    if (!file.ok() || ::fsync(file.get()) != 0) fail("cannot flush {} to disk: {}", path.string(), reason());
}

void write_file(const std::filesystem::path& path, std::string_view content) {
    write_file(path, std::span(&content, 1));
}

std::string write_file(const std::filesystem::path& path, std::span<const std::string_view> pieces) {
    AsideFile aside(path);
    const auto give_up = [&] { fail("cannot write {}: {}", path.string(), reason()); };
    const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> hash(XXH3_createState(), XXH3_freeState);
    XXH3_128bits_reset(hash.get());
    {
        const Descriptor file(aside.path(), O_WRONLY | O_CREAT | O_TRUNC);
        if (!file.ok()) give_up();
        constexpr std::size_t kChunk = std::size_t{1}
                                       << 20;  // so small that it is still in the cache when it is written
        for (const std::string_view piece : pieces) {
            for (std::size_t at = 0; at < piece.size(); at += kChunk) {
                const std::string_view chunk = piece.substr(at, kChunk);
                XXH3_128bits_update(hash.get(), chunk.data(), chunk.size());
                if (!write_all(file.get(), chunk)) give_up();
            }
        }
        if (::fsync(file.get()) != 0) give_up();
    }
    aside.take_place();
    return text_of(XXH3_128bits_digest(hash.get()));
}

AsideFile::AsideFile(std::filesystem::path path) : target_(std::move(path)), path_(target_) {
    path_ += ".partial";
    const std::filesystem::path parent = folder_of(target_);
    std::error_code wrong;
    std::filesystem::create_directories(parent, wrong);
    if (wrong) fail("cannot create folder {}: {}", parent.string(), wrong.message());
}

AsideFile::~AsideFile() {
    std::error_code ignored;
    if (!in_place_) std::filesystem::remove(path_, ignored);
}

void AsideFile::take_place() {
    std::error_code wrong;
    std::filesystem::rename(path_, target_, wrong);
    if (wrong) fail("cannot write {}: {}", target_.string(), wrong.message());
    in_place_ = true;
    flush_to_disk(folder_of(target_));
}

void remove_file(const std::filesystem::path& path) {
    std::error_code wrong;
    std::filesystem::remove(path, wrong);
    if (wrong) fail("cannot remove {}: {}", path.string(), wrong.message());
}

void require_absent(const std::filesystem::path& path, bool force) {
    if (!force && is_there(path)) fail("{} exists already; --force replaces it", path.string());
}

std::string fingerprint(std::string_view bytes) {
    return text_of(XXH3_128bits(bytes.data(), bytes.size()));
}

MappedFile::MappedFile(const std::filesystem::path& path) {
    Descriptor file(path, O_RDONLY);
    struct stat status {};
    if (!file.ok() || ::fstat(file.get(), &status) != 0) fail("cannot open {}: {}", path.string(), reason());
    refuse_folder(path);
    if (!S_ISREG(status.st_mode)) fail("cannot open {}: it is no regular file", path.string());
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) return;
    void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (mapped == MAP_FAILED) fail("cannot map {}: {}", path.string(), reason());
    data_ = static_cast<const char*>(mapped);
}

MappedFile::~MappedFile() {
    if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);
}

std::string place_of(std::string_view text, std::size_t offset) {
    std::size_t line = 1;
    std::size_t column = 1;
    for (std::size_t i = 0; i < offset && i < text.size(); ++i) {
        if (text[i] == '\n') {
            ++line;
            column = 1;
        } else {
            ++column;
        }
    }
    return fmt::format("line {}, column {}", line, column);
}

}  // namespace bv
