#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace bv {

/// The whole file. Throws Error naming the path when it is missing or cannot be read.
std::string read_file(const std::filesystem::path& path);

/// Throws Error naming the path where a folder stands at it.
void refuse_folder(const std::filesystem::path& path);

/// Writes `content` aside (PATH.partial), flushes it to disk and renames it to `path`: the file is whole or
/// absent. Creates missing parent folders. Throws Error naming the path and the system's reason (a full disk,
/// say).
void write_file(const std::filesystem::path& path, std::string_view content);

/// Writes `pieces` one after the other in the same way, without a copy of them all in memory. Returns the
/// fingerprint of the file. Throws Error as above.
std::string write_file(const std::filesystem::path& path, std::span<const std::string_view> pieces);

/// A file that is written beside its place (PATH.partial) and moved there once it is whole and on disk:
/// readers find all of it or none.
class AsideFile {
  public:
    /// Creates missing parent folders. Throws Error naming them.
    explicit AsideFile(std::filesystem::path path);

    /// Removes what was written unless it took its place.
    ~AsideFile();
    AsideFile(const AsideFile&) = delete;
    AsideFile& operator=(const AsideFile&) = delete;

    /// Where it is to be written.
    const std::filesystem::path& path() const { return path_; }

    /// Replaces what stands at its place by what was written, which the caller has flushed to disk. Throws
    /// Error naming the place.
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

/// Throws Error when `path` exists and `force` is not set: nothing is overwritten without --force.
void require_absent(const std::filesystem::path& path, bool force);

/// 128-bit XXH3 hash as 32 hexadecimal digits: the fingerprint that binds a result to what it was made from.
std::string fingerprint(std::string_view bytes);

/// A file mapped read-only for its lifetime.
class MappedFile {
  public:
    /// Throws Error naming the path when it cannot be opened.
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

/// "line 3, column 7": where the byte `offset` of `text` stands, for messages.
std::string place_of(std::string_view text, std::size_t offset);

}  // namespace bv
