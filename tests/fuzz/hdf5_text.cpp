#include "hdf5_text.hpp"

#include <charconv>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <hdf5.h>

#include "core/dtype.hpp"
#include "store/store_format.hpp"

namespace bv::fuzz {
namespace {

constexpr std::uintmax_t kMostKept = std::uintmax_t{1} << 20;
constexpr double kMostBytes = 1e12;  // of a dataset: it is sparse
constexpr std::size_t kMostValues = 1000;

/// An HDF5 handle: what cannot be made is left out, so calls with a failed one fail, too.
struct Object {
    Object(hid_t id_, herr_t (*closer)(hid_t)) : id(id_), close(closer) {}
    ~Object() {
        if (id >= 0) close(id);
    }
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;

    hid_t id;
    herr_t (*close)(hid_t);
};

std::optional<hid_t> whole_type(const std::string& name) {
    if (name == "u8") return H5T_STD_U8LE;
    if (name == "i32") return H5T_STD_I32LE;
    if (name == "u32") return H5T_STD_U32LE;
    if (name == "i64") return H5T_STD_I64LE;
    return std::nullopt;
}

std::optional<DType> state_dtype(const std::string& name) {
    if (name == "f16") return DType::f16;
    if (name == "f32") return DType::f32;
    if (name == "bf16") return DType::bf16;
    return std::nullopt;
}

std::optional<std::vector<hsize_t>> shape_of(const std::string& text) {
    std::vector<hsize_t> shape;
    std::istringstream items(text);
    for (std::string item; std::getline(items, item, ',');) {
        hsize_t extent = 0;
        const auto [end, wrong] = std::from_chars(item.data(), item.data() + item.size(), extent);
        if (wrong != std::errc() || end != item.data() + item.size() || shape.size() == H5S_MAX_RANK)
            return std::nullopt;
        shape.push_back(extent);
    }
    if (shape.empty()) return std::nullopt;
    return shape;
}

std::vector<std::int64_t> values_of(std::istringstream& words) {
    std::string text;
    std::getline(words, text);
    text.erase(0, text.find_first_not_of(' '));
    std::vector<std::int64_t> values;
    if (text.starts_with('"')) {
        for (const char byte : text.substr(1)) values.push_back(static_cast<unsigned char>(byte));
        return values;
    }
    std::istringstream numbers(text);
    for (std::int64_t value; numbers >> value;) values.push_back(value);
    return values;
}

/// Attributes of the group `place`, which is made where it is missing.
void add_attribute(hid_t file, const std::string& place, std::istringstream& words) {
    std::string name, kind;
    words >> name >> kind;
    const Object links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
    H5Pset_create_intermediate_group(links.id, 1);
    if (place != "/" && H5Lexists(file, place.c_str(), H5P_DEFAULT) <= 0)
        H5Gclose(H5Gcreate2(file, place.c_str(), links.id, H5P_DEFAULT, H5P_DEFAULT));
    const Object group(H5Gopen2(file, place.c_str(), H5P_DEFAULT), H5Gclose);
    const Object space(H5Screate(H5S_SCALAR), H5Sclose);
    if (group.id < 0 || H5Aexists(group.id, name.c_str()) != 0) return;
    if (kind == "i") {
        std::int64_t number = 0;
        words >> number;
        const Object attribute(
            H5Acreate2(group.id, name.c_str(), H5T_STD_I64LE, space.id, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
        H5Awrite(attribute.id, H5T_NATIVE_INT64, &number);
    } else if (kind == "s") {
        std::string text;
        words.get();
        std::getline(words, text);
        if (text.empty()) text.resize(1);
        const Object type(H5Tcopy(H5T_C_S1), H5Tclose);
        H5Tset_size(type.id, text.size());
        const Object attribute(
            H5Acreate2(group.id, name.c_str(), type.id, space.id, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
        H5Awrite(attribute.id, type.id, text.data());
    }
}

void add_dataset(hid_t file, const std::string& place, std::istringstream& words) {
    std::string kind, extents;
    words >> kind >> extents;
    const auto shape = shape_of(extents);
    const auto whole = whole_type(kind);
    const auto dtype = state_dtype(kind);
    if (!shape || (!whole && !dtype)) return;
    double bytes = 8;
    for (const hsize_t extent : *shape) bytes *= static_cast<double>(extent);
    if (bytes > kMostBytes) return;
    const Object type(whole ? H5Tcopy(*whole) : H5Tcopy(state_type(*dtype).get()), H5Tclose);
    const Object space(H5Screate_simple(static_cast<int>(shape->size()), shape->data(), nullptr), H5Sclose);
    const Object links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
    H5Pset_create_intermediate_group(links.id, 1);
    const Object creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_alloc_time(creation.id, H5D_ALLOC_TIME_EARLY);
    H5Pset_fill_time(creation.id, H5D_FILL_TIME_NEVER);
    const Object dataset(
        H5Dcreate2(file, place.c_str(), type.id, space.id, links.id, creation.id, H5P_DEFAULT), H5Dclose);
    if (dataset.id < 0 || bytes == 0) return;
    if (bytes > 8.0 * static_cast<double>(kMostValues)) return;  // stays sparse
    std::vector<std::int64_t> values = values_of(words);
    values.resize(static_cast<std::size_t>(bytes / 8));
    H5Dwrite(dataset.id, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
}

}  // namespace

bool write_hdf5(const std::filesystem::path& path, std::string_view text) {
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    {
        const Object access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
        H5Pset_libver_bounds(access.id, H5F_LIBVER_V18, H5F_LIBVER_V18);
        const Object file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id), H5Fclose);
        if (file.id < 0) return false;
        std::istringstream lines{std::string(text)};
        for (std::string line; std::getline(lines, line);) {
            std::istringstream words(line);
            std::string place;
            words >> place;
            if (place.starts_with("@/")) add_attribute(file.id, place.substr(1), words);
            if (place.starts_with('/') && place.size() > 1) add_dataset(file.id, place, words);
        }
    }
    if (std::filesystem::file_size(path) > kMostKept) std::filesystem::resize_file(path, kMostKept);
    return true;
}

}  // namespace bv::fuzz
