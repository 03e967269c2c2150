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

/// An HDF5 handle with an owner from birth. HDF5's own printed error stacks are off from the first one on.
class Handle {
  public:
    using Close = herr_t (*)(hid_t);

    Handle() = default;
    /// Owns `id`, as returned by an HDF5 call. Throws Error "`what`: HDF5's reason" when the call failed
    /// (negative id).
    Handle(hid_t id, Close closer, const std::string& what);
    ~Handle() { reset(); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    Handle(Handle&& other) noexcept;
    Handle& operator=(Handle&& other) noexcept;

    hid_t get() const { return id_; }
    /// Closes early. Throws Error "`what`: HDF5's reason" when that fails: data still buffered may be lost
    /// then.
    void close(const std::string& what);

  private:
    void reset() noexcept;

    hid_t id_ = H5I_INVALID_HID;
    Close close_ = nullptr;
};

/// Turns off HDF5's printing. Handle does; call it where an HDF5 function is used before any Handle exists.
void silence();

/// Throws Error "`what`: HDF5's reason" when `status`, as returned by an HDF5 call, is negative; it is a
/// Damaged where one of HDF5's own checksums is the reason.
void check(herr_t status, const std::string& what);

/// A property list of `kind` (H5P_FILE_ACCESS, H5P_DATASET_CREATE ...).
Handle property_list(hid_t kind);
/// A property list for a new object or file (H5P_DATASET_CREATE, H5P_GROUP_CREATE, H5P_FILE_CREATE) that
/// keeps no times: equal content is equal bytes.
Handle creation_list(hid_t kind);

/// Types that arrays in files may have; on disk they are little-endian.
template <class T>
concept Element = std::same_as<T, std::uint8_t> || std::same_as<T, std::int32_t> ||
    std::same_as<T, std::int64_t> || std::same_as<T, std::uint32_t> || std::same_as<T, std::uint64_t> ||
    std::same_as<T, float> || std::same_as<T, double>;

/// A group of an HDF5 file. Every error names the file and the dataset or attribute. Local: what several
/// ranks write into one file goes other ways.
class Group {
  public:
    Group(Handle handle, std::string file, std::string name);

    hid_t id() const { return handle_.get(); }
    /// "FILE:/group/child", for messages.
    std::string place(const std::string& child = "") const;

    bool has(const std::string& child) const;
    Group create_group(const std::string& child);
    /// Throws Error when there is none.
    Group open_group(const std::string& child) const;

    /// Writes a new 1-D dataset, contiguous; a small one within the file's metadata. Its attribute `crc32c`
    /// is the checksum of its bytes.
    template <Element T>
    void write(const std::string& child, std::span<const T> values);
    template <Element T>
    void write(const std::string& child, const std::vector<T>& values) {
        write(child, std::span<const T>(values));
    }

    /// Reads a whole 1-D dataset. Throws Error when it is missing, of another rank or of another class of
    /// type; Damaged when its bytes do not fit its checksum. Files of other makers may have no checksums.
    template <Element T>
    std::vector<T> read(const std::string& child) const;

    /// A list of strings is a group with `starts` (n + 1, int64) and `bytes` (UTF-8, all strings end to end):
    /// HDF5's own variable-length strings cannot be written through MPI-IO.
    void write_strings(const std::string& child, const std::vector<std::string>& strings);
    std::vector<std::string> read_strings(const std::string& child) const;

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
    /// datasets) have HDF5's own checksums. With `alignment` (bytes), datasets of this size and larger
    /// begin at multiples of it, and metadata take pieces of this size. Throws Error naming the path.
    static File create(const std::filesystem::path& path, hsize_t alignment = 0);

    /// Whether to open also a file that ends before its last array does. The rest of it can still be read.
    enum class Truncated { refuse, open };

    /// Opens `path` for reading alone, by the default driver without file locks. Throws Error naming the
    /// path: missing, not HDF5, truncated.
    static File open(const std::filesystem::path& path, Truncated truncated = Truncated::refuse);

    /// Opens `path` for reading and writing.
    static File open_to_write(const std::filesystem::path& path, hid_t access = H5P_DEFAULT);

    hid_t id() const { return handle_.get(); }
    const std::string& path() const { return path_; }
    Group root() const;
    /// Flushes HDF5's buffers to the system. Collective where several ranks have it open.
    void flush();
    /// Closes early, so that a failed last write is an Error instead of silence.
    void close();

  private:
    File(Handle handle, std::string path) : handle_(std::move(handle)), path_(std::move(path)) {}

    Handle handle_;
    std::string path_;
};

}  // namespace bv::h5
