#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <hdf5.h>

#include "core/error.hpp"

namespace bv::h5 {

/// Thrown when the content of a file does not match one of its checksums.
class Damaged : public Error {
  public:
    using Error::Error;
};

/// Owns an HDF5 handle. When the first one is made, HDF5 stops printing its own error stacks.
class Handle {
  public:
    using Close = herr_t (*)(hid_t);

    Handle() = default;
    /// Owns `id`, the result of an HDF5 call, and closes it by `closer`. Throws Error "`what`: HDF5's reason"
    /// if `id` is negative: the call failed.
    Handle(hid_t id, Close closer, const std::string& what);
    ~Handle() { reset(); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    Handle(Handle&& other) noexcept;
    Handle& operator=(Handle&& other) noexcept;

    hid_t get() const { return id_; }
    /// Closes the handle before the destructor does. Throws Error "`what`: HDF5's reason" if that fails: then
    /// buffered data may be lost.
    void close(const std::string& what);

  private:
    void reset() noexcept;

    hid_t id_ = H5I_INVALID_HID;
    Close close_ = nullptr;
};

/// Stops HDF5's own printing of errors. Handle does so too; call this before an HDF5 function that is used
/// without any Handle.
void silence();

/// Throws Error "`what`: HDF5's reason" if `status`, the result of an HDF5 call, is negative. The Error is a
/// Damaged if one of HDF5's own checksums is wrong.
void check(herr_t status, const std::string& what);

/// A property list of `kind` (H5P_FILE_ACCESS, H5P_DATASET_CREATE ...). Throws Error if HDF5 fails.
Handle property_list(hid_t kind);
/// A property list for a new object or file (H5P_DATASET_CREATE, H5P_GROUP_CREATE, H5P_FILE_CREATE). No times
/// are recorded, so that files with equal content have equal bytes. Throws Error if HDF5 fails.
Handle creation_list(hid_t kind);

/// Types that arrays in files may have; on disk they are little-endian.
template <class T>
concept Element = std::same_as<T, std::uint8_t> || std::same_as<T, std::int32_t> ||
    std::same_as<T, std::int64_t> || std::same_as<T, std::uint32_t> || std::same_as<T, std::uint64_t> ||
    std::same_as<T, float> || std::same_as<T, double>;

/// A group of an HDF5 file. All functions that access the file throw Error, which names the file and the
/// dataset or attribute. Local: this class is not for datasets that several ranks write together.
class Group {
  public:
    /// Owns the open group `handle`. `file` and `name` are the names of file and group, for messages.
    Group(Handle handle, std::string file, std::string name);

    hid_t id() const { return handle_.get(); }
    /// "FILE:/group/child", for messages.
    std::string place(const std::string& child = "") const;

    /// Whether there is a group or dataset `child`.
    bool has(const std::string& child) const;
    /// Creates the group `child`, which must not exist.
    Group create_group(const std::string& child);
    /// Throws Error if there is no such group.
    Group open_group(const std::string& child) const;

    /// Writes a new 1-D dataset, contiguous, or within the file's metadata if it is small. Its attribute
    /// `crc32c` is the checksum of its bytes.
    template <Element T>
    void write(const std::string& child, std::span<const T> values);
    template <Element T>
    void write(const std::string& child, const std::vector<T>& values) {
        write(child, std::span<const T>(values));
    }

    /// Reads a whole 1-D dataset. Throws Error if it is missing, has another number of dimensions or another
    /// type, and Damaged if its bytes do not have its checksum. A dataset without a checksum, as other
    /// programs write it, is not checked.
    template <Element T>
    std::vector<T> read(const std::string& child) const;

    /// A list of strings is a group with `starts` (n + 1, int64) and `bytes` (UTF-8, all strings end to end):
    /// HDF5's own variable-length strings cannot be written through MPI-IO.
    void write_strings(const std::string& child, const std::vector<std::string>& strings);
    std::vector<std::string> read_strings(const std::string& child) const;

    /// Attributes of the group: a UTF-8 string of fixed length, or one int64. Reading throws Error if there
    /// is no such attribute or it has another type.
    void write_attribute(const std::string& name, const std::string& text);
    void write_attribute(const std::string& name, std::int64_t number);
    bool has_attribute(const std::string& name) const;
    std::string read_text_attribute(const std::string& name) const;
    std::int64_t read_number_attribute(const std::string& name) const;

  private:
    Handle handle_;
    std::string file_;
    std::string name_;
};

/// An HDF5 file.
class File {
  public:
    /// Creates `path`, replacing what is there. Its metadata (names, types, shapes, attributes, small
    /// datasets) have HDF5's own checksums. With `alignment` (bytes), datasets of at least this size begin at
    /// multiples of it, and metadata are stored in pieces of this size. Throws Error, which names the path.
    static File create(const std::filesystem::path& path, hsize_t alignment = 0);

    /// Whether a file whose end is missing is opened too. The rest of it can still be read.
    enum class Truncated { refuse, open };

    /// Opens `path` only for reading, by the default driver and without file locks. Throws Error, which names
    /// the path, if the file is missing, is not HDF5, or is truncated and `truncated` is refuse.
    static File open(const std::filesystem::path& path, Truncated truncated = Truncated::refuse);

    /// Opens `path` for reading and writing, with the property list `access`. Throws Error, which names the
    /// path.
    static File open_to_write(const std::filesystem::path& path, hid_t access = H5P_DEFAULT);

    hid_t id() const { return handle_.get(); }
    const std::string& path() const { return path_; }
    Group root() const;
    /// Flushes HDF5's buffers to the operating system. Collective if several ranks have the file open. Throws
    /// Error, which names the path.
    void flush();
    /// Closes the file before the destructor does. Throws Error, which names the path, if the last write
    /// fails; the destructor would ignore that.
    void close();

  private:
    File(Handle handle, std::string path) : handle_(std::move(handle)), path_(std::move(path)) {}

    Handle handle_;
    std::string path_;
};

}  // namespace bv::h5
