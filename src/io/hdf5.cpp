#include "io/hdf5.hpp"

#include <utility>

#include "core/error.hpp"
#include "io/files.hpp"
#include "io/paths.hpp"

namespace bv::h5 {
namespace {

/// Returns the message of the innermost HDF5 function that failed, and empties HDF5's stack of errors.
std::string library_reason() {
    std::string text;
    auto keep_last = [](unsigned, const H5E_error2_t* error, void* target) -> herr_t {
        if (error->desc != nullptr && *error->desc != '\0') *static_cast<std::string*>(target) = error->desc;
        return 0;
    };
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_last, &text);
    H5Eclear2(H5E_DEFAULT);
    return text.empty() ? "unknown HDF5 error" : text;
}

[[noreturn]] void fail_with_reason(const std::string& what) {
    const std::string why = library_reason();
    if (why.find("checksum") == std::string::npos) fail("{}: {}", what, why);
    throw Damaged(fmt::format("{}: it is damaged: {}", what, why));
}

Handle open_file(const std::filesystem::path& path, unsigned flags, hid_t access) {
    silence();
    if (!is_there(path)) fail("cannot open {}: no such file", path.string());
    refuse_folder(path);
    const htri_t is_hdf5 = H5Fis_hdf5(path.c_str());
    if (is_hdf5 == 0) fail("cannot open {}: it is not an HDF5 file", path.string());
    if (is_hdf5 < 0) fail_with_reason(fmt::format("cannot open {}", path.string()));
    return Handle(H5Fopen(path.c_str(), flags, access), H5Fclose,
                  fmt::format("cannot open {}, an HDF5 file that may be truncated or in use", path.string()));
}

}  // namespace

void silence() {
    static const herr_t off = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    static_cast<void>(off);
}

void check(herr_t status, const std::string& what) {
    if (status < 0) fail_with_reason(what);
}

Handle property_list(hid_t kind) {
    silence();
    return Handle(H5Pcreate(kind), H5Pclose, "cannot make an HDF5 property list");
}

Handle creation_list(hid_t kind) {
    Handle list = property_list(kind);
    check(H5Pset_obj_track_times(list.get(), false), "cannot make an HDF5 property list");
    return list;
}

Handle::Handle(hid_t id, Close closer, const std::string& what) : id_(id), close_(closer) {
    if (id < 0) fail_with_reason(what);
}

Handle::Handle(Handle&& other) noexcept
    : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(std::exchange(other.close_, nullptr)) {}

Handle& Handle::operator=(Handle&& other) noexcept {
    if (this != &other) {
        reset();
        id_ = std::exchange(other.id_, H5I_INVALID_HID);
        close_ = std::exchange(other.close_, nullptr);
    }
    return *this;
}

void Handle::close(const std::string& what) {
    if (id_ < 0) return;
    check(close_(std::exchange(id_, H5I_INVALID_HID)), what);
}

void Handle::reset() noexcept {
    if (id_ >= 0) close_(std::exchange(id_, H5I_INVALID_HID));
}

File File::create(const std::filesystem::path& path, hsize_t alignment) {
    const std::string what = fmt::format("cannot create {}", path.string());
    const Handle creation = creation_list(H5P_FILE_CREATE);
    const Handle access = property_list(H5P_FILE_ACCESS);
    // This is the oldest format in which all metadata have checksums.
    check(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V18, H5F_LIBVER_V18), what);
    if (alignment > 0) {
        check(H5Pset_alignment(access.get(), alignment, alignment), what);
        check(H5Pset_meta_block_size(access.get(), alignment), what);
    }
    Handle made(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose, what);
    return File(std::move(made), path.string());
}

File File::open(const std::filesystem::path& path, Truncated truncated) {
    const Handle access = property_list(H5P_FILE_ACCESS);
    check(H5Pset_file_locking(access.get(), false, true), "cannot turn off HDF5's file locks");
    // HDF5's own tool h5clear opens such files by this property.
    constexpr const char* kSkipCheck = "skip_eof_check";
    if (truncated == Truncated::open && H5Pexist(access.get(), kSkipCheck) > 0) {
        const hbool_t skip = true;
        check(H5Pset(access.get(), kSkipCheck, &skip), "cannot open truncated HDF5 files");
    }
    return File(open_file(path, H5F_ACC_RDONLY, access.get()), path.string());
}

File File::open_to_write(const std::filesystem::path& path, hid_t access) {
    return File(open_file(path, H5F_ACC_RDWR, access), path.string());
}

Group File::root() const {
    Handle opened(H5Gopen2(id(), "/", H5P_DEFAULT), H5Gclose, fmt::format("cannot open group {}:/", path_));
    return Group(std::move(opened), path_, "/");
}

void File::flush() {
    check(H5Fflush(id(), H5F_SCOPE_GLOBAL), fmt::format("cannot flush {}", path_));
}

void File::close() {
    handle_.close(fmt::format("cannot close {}", path_));
}

}  // namespace bv::h5
