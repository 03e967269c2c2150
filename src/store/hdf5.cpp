#include "store/hdf5.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "core/files.hpp"
#include "store/crc32c.hpp"

namespace bv::h5 {
namespace {

constexpr const char* kChecksum = "crc32c";  // attribute of a dataset

/// What the innermost failing HDF5 function said, and empties the stack.
std::string reason() {
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
    const std::string why = reason();
    if (why.find("checksum") == std::string::npos) fail("{}: {}", what, why);
    throw Damaged(fmt::format("{}: it is damaged: {}", what, why));
}

template <class T>
hid_t memory_type() {
    if constexpr (std::same_as<T, std::uint8_t>) return H5T_NATIVE_UINT8;
    if constexpr (std::same_as<T, std::int32_t>) return H5T_NATIVE_INT32;
    if constexpr (std::same_as<T, std::uint32_t>) return H5T_NATIVE_UINT32;
    if constexpr (std::same_as<T, std::int64_t>) return H5T_NATIVE_INT64;
    if constexpr (std::same_as<T, std::uint64_t>) return H5T_NATIVE_UINT64;
    if constexpr (std::same_as<T, float>) return H5T_NATIVE_FLOAT;
    if constexpr (std::same_as<T, double>) return H5T_NATIVE_DOUBLE;
}

template <class T>
hid_t file_type() {
    if constexpr (std::same_as<T, std::uint8_t>) return H5T_STD_U8LE;
    if constexpr (std::same_as<T, std::int32_t>) return H5T_STD_I32LE;
    if constexpr (std::same_as<T, std::uint32_t>) return H5T_STD_U32LE;
    if constexpr (std::same_as<T, std::int64_t>) return H5T_STD_I64LE;
    if constexpr (std::same_as<T, std::uint64_t>) return H5T_STD_U64LE;
    if constexpr (std::same_as<T, float>) return H5T_IEEE_F32LE;
    if constexpr (std::same_as<T, double>) return H5T_IEEE_F64LE;
}

Handle scalar_space() {
    return Handle(H5Screate(H5S_SCALAR), H5Sclose, "cannot make an HDF5 dataspace");
}

/// A string type of `bytes` bytes, UTF-8, padded by zeros.
Handle text_type(std::size_t bytes) {
    Handle type(H5Tcopy(H5T_C_S1), H5Tclose, "cannot make an HDF5 type");
    check(H5Tset_size(type.get(), bytes), "cannot make an HDF5 type");
    check(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "cannot make an HDF5 type");
    check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "cannot make an HDF5 type");
    return type;
}

/// Opens the attribute and checks its type's class and that it is one value.
Handle open_attribute(hid_t group, const std::string& name, H5T_class_t wanted, const std::string& what) {
    Handle attribute(H5Aopen(group, name.c_str(), H5P_DEFAULT), H5Aclose, what);
    const Handle type(H5Aget_type(attribute.get()), H5Tclose, what);
    const Handle space(H5Aget_space(attribute.get()), H5Sclose, what);
    if (H5Tget_class(type.get()) != wanted || H5Tis_variable_str(type.get()) > 0 ||
        H5Sget_simple_extent_npoints(space.get()) != 1) {
        fail("{}: it is not one {}", what, wanted == H5T_STRING ? "string of fixed length" : "whole number");
    }
    return attribute;
}

/// Attributes that are one whole number, of a group or dataset.
void write_number(hid_t object, const std::string& name, hid_t type, std::int64_t number,
                  const std::string& what) {
    const Handle space = scalar_space();
    const Handle attribute(H5Acreate2(object, name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                           H5Aclose, what);
    check(H5Awrite(attribute.get(), H5T_NATIVE_INT64, &number), what);
}

std::int64_t read_number(hid_t object, const std::string& name, const std::string& what) {
    const Handle attribute = open_attribute(object, name, H5T_INTEGER, what);
    std::int64_t number = 0;
    check(H5Aread(attribute.get(), H5T_NATIVE_INT64, &number), what);
    return number;
}

/// Throws Damaged unless `bytes` are those of the dataset's checksum, where it has one.
void require_checksum(const Handle& dataset, std::span<const std::byte> bytes, const std::string& place) {
    const std::string what = fmt::format("cannot read attribute {} of {}", kChecksum, place);
    const htri_t has = H5Aexists(dataset.get(), kChecksum);
    check(has, what);
    if (has == 0) return;
    const std::int64_t promised = read_number(dataset.get(), kChecksum, what);
    const std::int64_t found = crc32c(bytes.data(), bytes.size());
    if (found == promised) return;
    throw Damaged(
        fmt::format("{} is damaged: the CRC-32C of its bytes is {:08x}, its attribute {} says {:08x}", place,
                    found, kChecksum, promised));
}

/// Of a new group or file. Without times, so that equal content is equal bytes.
Handle creation_list(hid_t kind) {
    Handle list = property_list(kind);
    check(H5Pset_obj_track_times(list.get(), false), "cannot make an HDF5 property list");
    return list;
}

Handle open_file(const std::filesystem::path& path, unsigned flags, hid_t access) {
    silence();
    std::error_code wrong;
    if (!std::filesystem::exists(path, wrong)) {
        fail("cannot open {}: {}", path.string(), wrong ? wrong.message() : "no such file");
    }
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

Group::Group(Handle handle, std::string file, std::string name)
    : handle_(std::move(handle)), file_(std::move(file)), name_(std::move(name)) {}

std::string Group::place(const std::string& child) const {
    const std::string separator = child.empty() || name_.ends_with('/') ? "" : "/";
    return fmt::format("{}:{}{}{}", file_, name_, separator, child);
}

bool Group::has(const std::string& child) const {
    const htri_t found = H5Lexists(id(), child.c_str(), H5P_DEFAULT);
    check(found, fmt::format("cannot look for {}", place(child)));
    return found > 0;
}

Group Group::create_group(const std::string& child) {
    const Handle creation = creation_list(H5P_GROUP_CREATE);
    Handle made(H5Gcreate2(id(), child.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT), H5Gclose,
                fmt::format("cannot create group {}", place(child)));
    return Group(std::move(made), file_, place(child).substr(file_.size() + 1));
}

Group Group::open_group(const std::string& child) const {
    if (!has(child)) fail("{}: there is no such group", place(child));
    Handle opened(H5Gopen2(id(), child.c_str(), H5P_DEFAULT), H5Gclose,
                  fmt::format("cannot open group {}", place(child)));
    return Group(std::move(opened), file_, place(child).substr(file_.size() + 1));
}

template <Element T>
void Group::write(const std::string& child, std::span<const T> values) {
    const std::string what = fmt::format("cannot write dataset {}", place(child));
    const hsize_t size = values.size();
    const Handle space(H5Screate_simple(1, &size, nullptr), H5Sclose, what);
    const Handle creation = creation_list(H5P_DATASET_CREATE);
    check(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), what);
    constexpr std::size_t kSmall = 1024;
    if (values.size_bytes() <= kSmall) check(H5Pset_layout(creation.get(), H5D_COMPACT), what);
    Handle dataset(H5Dcreate2(id(), child.c_str(), file_type<T>(), space.get(), H5P_DEFAULT, creation.get(),
                              H5P_DEFAULT),
                   H5Dclose, what);
    if (size > 0) {
        check(H5Dwrite(dataset.get(), memory_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), what);
    }
    write_number(dataset.get(), kChecksum, H5T_STD_U32LE, crc32c(values.data(), values.size_bytes()), what);
    dataset.close(what);
}

template <Element T>
std::vector<T> Group::read(const std::string& child) const {
    if (!has(child)) fail("{}: there is no such dataset", place(child));
    const std::string what = fmt::format("cannot read dataset {}", place(child));
    const Handle dataset(H5Dopen2(id(), child.c_str(), H5P_DEFAULT), H5Dclose, what);
    const Handle space(H5Dget_space(dataset.get()), H5Sclose, what);
    const Handle type(H5Dget_type(dataset.get()), H5Tclose, what);
    const int dimensions = H5Sget_simple_extent_ndims(space.get());
    if (dimensions != 1) fail("{}: it has {} dimensions, expected 1", what, dimensions);
    if (H5Tget_class(type.get()) != H5Tget_class(memory_type<T>()) || H5Tget_size(type.get()) != sizeof(T)) {
        fail("{}: its elements are not the {}-byte {} expected", what, sizeof(T),
             std::floating_point<T> ? "floating-point numbers" : "whole numbers");
    }
    hsize_t size = 0;
    H5Sget_simple_extent_dims(space.get(), &size, nullptr);
    // A file whose header promises more than it holds must not make us allocate it.
    const Handle file(H5Iget_file_id(dataset.get()), H5Fclose, what);
    hsize_t file_size = 0;
    check(H5Fget_filesize(file.get(), &file_size), what);
    if (size > file_size / sizeof(T)) fail("{}: it is larger than its file", what);
    std::vector<T> values(size);
    if (size > 0) {
        check(H5Dread(dataset.get(), memory_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), what);
    }
    require_checksum(dataset, std::as_bytes(std::span(values)), place(child));
    return values;
}

void Group::write_strings(const std::string& child, const std::vector<std::string>& strings) {
    std::vector<std::int64_t> starts{0};
    std::vector<std::uint8_t> bytes;
    for (const std::string& text : strings) {
        bytes.insert(bytes.end(), text.begin(), text.end());
        starts.push_back(static_cast<std::int64_t>(bytes.size()));
    }
    Group list = create_group(child);
    list.write("starts", starts);
    list.write("bytes", bytes);
}

std::vector<std::string> Group::read_strings(const std::string& child) const {
    const Group list = open_group(child);
    const auto starts = list.read<std::int64_t>("starts");
    const auto bytes = list.read<std::uint8_t>("bytes");
    bool sound =
        !starts.empty() && starts.front() == 0 && starts.back() == static_cast<std::int64_t>(bytes.size());
    for (std::size_t i = 1; sound && i < starts.size(); ++i) sound = starts[i - 1] <= starts[i];
    if (!sound) fail("{}: the starts of its strings do not fit its {} bytes", list.place(), bytes.size());
    std::vector<std::string> strings(starts.size() - 1);
    for (std::size_t i = 0; i < strings.size(); ++i) {
        strings[i].assign(bytes.begin() + starts[i], bytes.begin() + starts[i + 1]);
    }
    return strings;
}

void Group::write_attribute(const std::string& name, const std::string& text) {
    const std::string what = fmt::format("cannot write attribute {} of {}", name, place());
    const Handle type = text_type(std::max<std::size_t>(text.size(), 1));
    const Handle space = scalar_space();
    const Handle attribute(H5Acreate2(id(), name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
                           H5Aclose, what);
    check(H5Awrite(attribute.get(), type.get(), text.c_str()), what);
}

void Group::write_attribute(const std::string& name, std::int64_t number) {
    write_number(id(), name, H5T_STD_I64LE, number,
                 fmt::format("cannot write attribute {} of {}", name, place()));
}

bool Group::has_attribute(const std::string& name) const {
    const htri_t found = H5Aexists(id(), name.c_str());
    check(found, fmt::format("cannot read the attributes of {}", place()));
    return found > 0;
}

std::string Group::read_text_attribute(const std::string& name) const {
    const std::string what = fmt::format("cannot read attribute {} of {}", name, place());
    const Handle attribute = open_attribute(id(), name, H5T_STRING, what);
    const Handle type(H5Aget_type(attribute.get()), H5Tclose, what);
    std::string text(H5Tget_size(type.get()), '\0');
    check(H5Aread(attribute.get(), type.get(), text.data()), what);
    return text.substr(0, text.find('\0'));
}

std::int64_t Group::read_number_attribute(const std::string& name) const {
    return read_number(id(), name, fmt::format("cannot read attribute {} of {}", name, place()));
}

File File::create(const std::filesystem::path& path, hsize_t alignment) {
    const std::string what = fmt::format("cannot create {}", path.string());
    const Handle creation = creation_list(H5P_FILE_CREATE);
    const Handle access = property_list(H5P_FILE_ACCESS);
    // The oldest format whose metadata all have checksums.
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
    // The property by which HDF5's own h5clear opens such files.
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

#define BV_INSTANTIATE(T)                                                  \
    template void Group::write<T>(const std::string&, std::span<const T>); \
    template std::vector<T> Group::read<T>(const std::string&) const;
BV_INSTANTIATE(std::uint8_t)
BV_INSTANTIATE(std::int32_t)
BV_INSTANTIATE(std::uint32_t)
BV_INSTANTIATE(std::int64_t)
BV_INSTANTIATE(std::uint64_t)
BV_INSTANTIATE(float)
BV_INSTANTIATE(double)
#undef BV_INSTANTIATE

}  // namespace bv::h5
