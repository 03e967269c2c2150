#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace bv {

/// Reads the whole file. Throws Error, which names the path, if it is missing or cannot be read.
std::string read_file(const std::filesystem::path& path);

/// Throws Error, which names the path, if there is a folder at `path`.
void refuse_folder(const std::filesystem::path& path);

/// Writes `content` to PATH.partial, flushes that file to disk and renames it to `path`. So there is a whole
/// file at `path`, or the old one, or none. Creates missing parent folders. Throws Error, which names the
/// path and the system's reason, for example a full disk.
void write_file(const std::filesystem::path& path, std::string_view content);

/// Writes `pieces` one after the other in the same way, without a copy of them all in memory. Returns the
/// fingerprint of the file. Throws Error as above.
std::string write_file(const std::filesystem::path& path, std::span<const std::string_view> pieces);

/// A file that is written beside its place (PATH.partial) and moved to its place when it is whole and on
/// disk. Readers never find a part of it.
class AsideFile {
  public:
    /// Creates missing parent folders. Throws Error naming them.
    explicit AsideFile(std::filesystem::path path);

    /// Removes PATH.partial, unless take_place has moved it.
    ~AsideFile();
    AsideFile(const AsideFile&) = delete;
    AsideFile& operator=(const AsideFile&) = delete;

    /// The path to write to: PATH.partial.
    const std::filesystem::path& path() const { return path_; }

    /// Renames PATH.partial to PATH and replaces the file there. The caller must have flushed PATH.partial to
    /// disk. Throws Error, which names PATH.
    void take_place();

  private:
    std::filesystem::path target_;
    std::filesystem::path path_;
    bool in_place_ = false;
};

/// Flushes a file or folder to disk (fsync). Throws Error naming the path.
void flush_to_disk(const std::filesystem::path& path);

/// Removes the file at `path`, if there is one. Throws Error naming the path.
void remove_file(const std::filesystem::path& path);

/// Throws Error, which names the path, if it exists and `force` is not set: nothing is overwritten without
/// --force.
void require_absent(const std::filesystem::path& path, bool force);

/// The 128-bit XXH3 hash of `bytes` as 32 hexadecimal digits. Results keep such fingerprints of the files
/// that they were made from.
std::string fingerprint(std::string_view bytes);

/// A file mapped read-only for its lifetime.
class MappedFile {
  public:
    /// Throws Error, which names the path, if it cannot be opened or is no regular file.
    explicit MappedFile(const std::filesystem::path& path);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    /// The bytes of the file.
    std::string_view bytes() const { return {data_, size_}; }

  private:
    const char* data_ = nullptr;
    std::size_t size_ = 0;
};

/// The place of the byte `offset` in `text`, for messages: "line 3, column 7".
std::string place_of(std::string_view text, std::size_t offset);

}  // namespace bv
