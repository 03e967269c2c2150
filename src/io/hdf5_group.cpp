#include <algorithm>
#include <filesystem>
#include <utility>

#include "io/crc32c.hpp"
#include "io/hdf5.hpp"

namespace bv::h5 {
namespace {

constexpr const char* kChecksum = "crc32c";  // attribute of a dataset

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

/// Opens the attribute, and checks that it is one value and that its type has the class `wanted`.
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

/// Writes an attribute of a group or dataset that is one whole number.
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

/// Throws Damaged if the dataset has a checksum and it is not that of `bytes`.
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

/// Throws Error if the elements need more bytes than the file at `path` has. Otherwise wrong metadata could
/// make this process allocate any amount of memory.
void require_room(const Handle& dataset, hsize_t elements, std::size_t bytes, const std::string& path,
                  const std::string& what) {
    const Handle file(H5Iget_file_id(dataset.get()), H5Fclose, what);
    unsigned intent = 0;
    hsize_t size = 0;
    check(H5Fget_intent(file.get(), &intent), what);
    check(H5Fget_filesize(file.get(), &size), what);
    // HDF5 takes the size from the metadata, which is wrong if the file was cut short. While the file is
    // being written, the size on disk may be smaller, and HDF5's number is used.
    if (intent == H5F_ACC_RDONLY) size = std::filesystem::file_size(path);
    if (elements > size / bytes) fail("{}: it is larger than its file", what);
}

}  // namespace

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
    require_room(dataset, size, sizeof(T), file_, what);
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
