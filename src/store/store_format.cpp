#include "store/store_format.hpp"

#include <initializer_list>
#include <string>

#include <fmt/ranges.h>

#include "config/numbers.hpp"
#include "core/error.hpp"

namespace bv {
namespace {

constexpr const char* kFormat = "bertvision-store";
constexpr std::int64_t kVersion = 3;
constexpr const char* kStates = "states";
constexpr const char* kRecords = "block_records";

h5::Handle make_array(const h5::File& file, const char* name, hid_t type,
                      const std::vector<std::int64_t>& shape) {
    const std::string what = fmt::format("cannot create dataset {}:/{}", file.path(), name);
    const std::vector<hsize_t> extents(shape.begin(), shape.end());
    const h5::Handle space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr),
                           H5Sclose, what);
    const h5::Handle creation = h5::creation_list(H5P_DATASET_CREATE);
    h5::check(H5Pset_layout(creation.get(), H5D_CONTIGUOUS), what);
    h5::check(H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY), what);
    h5::check(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), what);
    return h5::Handle(
        H5Dcreate2(file.id(), name, type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT), H5Dclose,
        what);
}

h5::Handle open_array(const h5::File& file, const char* name) {
    const std::string what = fmt::format("{}:/{}: there is no such dataset", file.path(), name);
    return h5::Handle(H5Dopen2(file.id(), name, H5P_DEFAULT), H5Dclose, what);
}

std::vector<std::int64_t> shape_of(const h5::Handle& dataset, const std::string& what) {
    const h5::Handle space(H5Dget_space(dataset.get()), H5Sclose, what);
    std::vector<hsize_t> shape(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space.get())));
    H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr);
    return {shape.begin(), shape.end()};
}

void require_shape(const h5::File& file, const char* name, const h5::Handle& dataset,
                   const std::vector<std::int64_t>& expected) {
    const auto found = shape_of(dataset, file.path());
    if (found != expected) {
        fail("{}:/{} has shape ({}), expected ({})", file.path(), name, fmt::join(found, ", "),
             fmt::join(expected, ", "));
    }
}

// Whether `bounds` are the bounds of consecutive, non-empty parts of [0, end).
bool divides(const std::vector<std::int64_t>& bounds, std::int64_t end) {
    if (bounds.empty() || bounds.front() != 0 || bounds.back() != end) return false;
    for (std::size_t i = 1; i < bounds.size(); ++i) {
        if (bounds[i - 1] >= bounds[i]) return false;
    }
    return true;
}

bool is_permutation(const std::vector<std::int64_t>& order) {
    std::vector<bool> seen(order.size(), false);
    for (const std::int64_t f : order) {
        if (f < 0 || f >= static_cast<std::int64_t>(order.size()) || seen[static_cast<std::size_t>(f)])
            return false;
        seen[static_cast<std::size_t>(f)] = true;
    }
    return true;
}

/// Reads from which checkpoint and features the states were made, and in which batches.
void read_origin(const h5::Group& root, StoreInfo& info) {
    info.checkpoint_path = root.read_text_attribute("checkpoint_path");
    info.features_path = root.read_text_attribute("features_path");
    info.batch_tokens = root.read_number_attribute("batch_tokens");
    constexpr auto kMost = static_cast<std::int64_t>(kLargestNumber);
    if (info.batch_tokens < 1 || info.batch_tokens > kMost) {
        fail("{}: batch_tokens is {}, expected 1 to {}", root.place(), info.batch_tokens, kMost);
    }
}

/// The element type in the attribute `name`. Throws Error unless it is one of `expected`.
DType read_type(const h5::File& file, const char* name, std::initializer_list<DType> expected) {
    const std::string found = file.root().read_text_attribute(name);
    std::string names;
    for (const DType type : expected) {
        if (name_of(type) == found) return type;
        names += names.empty() ? "" : ", ";
        names += name_of(type);
    }
    fail("{}: {} is '{}', expected {}", file.path(), name, found, names);
}

}  // namespace

h5::Handle state_type(DType dtype) {
    const std::string what = "cannot make an HDF5 type";
    h5::silence();
    h5::Handle type(H5Tcopy(H5T_IEEE_F32LE), H5Tclose, what);
    if (dtype == DType::f32) return type;
    if (dtype == DType::f8) return h5::Handle(H5Tcopy(H5T_STD_U8LE), H5Tclose, what);
    BV_EXPECT(dtype == DType::f16 || dtype == DType::bf16);
    const std::size_t mantissa = dtype == DType::f16 ? 10 : 7;
    const std::size_t exponent = 15 - mantissa;
    h5::check(H5Tset_fields(type.get(), 15, mantissa, exponent, 0, mantissa), what);
    h5::check(H5Tset_size(type.get(), 2), what);
    h5::check(H5Tset_ebias(type.get(), (std::size_t{1} << (exponent - 1)) - 1), what);
    return type;
}

void write_header(h5::File& file, const StoreInfo& info, const StoreLayout& layout) {
    h5::Group root = file.root();
    root.write_attribute("format", kFormat);
    root.write_attribute("version", kVersion);
    root.write_attribute("task", to_string(info.task));
    root.write_attribute("dtype", std::string(name_of(info.dtype)));
    root.write_attribute("checkpoint", info.checkpoint);
    root.write_attribute("precision", std::string(name_of(info.precision)));
    root.write_attribute("epoch", info.epoch);
    root.write_attribute("features_fingerprint", info.features);
    root.write_attribute("config", info.config);
    root.write_attribute("checkpoint_path", info.checkpoint_path);
    root.write_attribute("features_path", info.features_path);
    root.write_attribute("batch_tokens", info.batch_tokens);
    root.write("layers", info.layers);
    root.write("original", layout.original);
    root.write("starts", layout.starts);
    root.write("block_starts", layout.block_starts);

    const BlockRecords none(info, layout);
    const h5::Handle records = make_array(file, kRecords, H5T_STD_U32LE, {layout.blocks(), none.width()});
    h5::check(H5Dwrite(records.get(), H5T_NATIVE_UINT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, none.values().data()),
              fmt::format("cannot write {}:/{}", file.path(), kRecords));
    make_array(file, kStates, state_type(info.dtype).get(),
               {info.states(), layout.rows(), info.row_elements()});
}

StoreInfo read_info(const h5::File& file) {
    const h5::Group root = file.root();
    if (!root.has_attribute("format") || root.read_text_attribute("format") != kFormat) {
        fail("{} is no embedding store: it has no attribute format = \"{}\"", file.path(), kFormat);
    }
    const std::int64_t version = root.read_number_attribute("version");
    if (version != kVersion) {
        fail("{} is a store of version {}; this program reads version {}", file.path(), version, kVersion);
    }
    StoreInfo info;
    const std::string task = root.read_text_attribute("task");
    const auto known = find_word<Task>(task);
    if (!known) fail("{}: task is '{}'; known: {}", file.path(), task, choices<Task>());
    info.task = *known;
    info.dtype = read_type(file, "dtype", {DType::f16, DType::f32, DType::bf16, DType::f8});
    info.checkpoint = root.read_text_attribute("checkpoint");
    info.precision = read_type(file, "precision", {DType::f32, DType::bf16});
    info.epoch = root.read_text_attribute("epoch");
    info.features = root.read_text_attribute("features_fingerprint");
    info.config = root.read_text_attribute("config");
    read_origin(root, info);
    info.layers = root.read<std::int64_t>("layers");
    const auto shape = shape_of(open_states(file), file.path());
    if (shape.size() != 3) fail("{}:/{} has {} dimensions, expected 3", file.path(), kStates, shape.size());
    info.hidden_size = shape[2];
    if (info.dtype == DType::f8) info.hidden_size -= kFloat8ScaleBytes;
    if (info.dtype == DType::f8 && info.hidden_size < 1) {
        fail("{}:/{} has rows of {} bytes, too few for a scale and numbers in float8", file.path(), kStates,
             shape[2]);
    }
    return info;
}

StoreLayout read_layout(const h5::File& file, const StoreInfo& info) {
    const h5::Group root = file.root();
    StoreLayout layout;
    layout.original = root.read<std::int64_t>("original");
    layout.starts = root.read<std::int64_t>("starts");
    layout.block_starts = root.read<std::int64_t>("block_starts");
    if (layout.original.empty() || !is_permutation(layout.original)) {
        fail("{}: original is no permutation of the features", root.place());
    }
    if (layout.starts.size() != layout.original.size() + 1 || !divides(layout.starts, layout.starts.back())) {
        fail("{}: starts does not bound the rows of {} features", root.place(), layout.features());
    }
    if (!divides(layout.block_starts, layout.features())) {
        fail("{}: block_starts does not divide {} features", root.place(), layout.features());
    }
    const h5::Handle states = open_states(file);
    require_shape(file, kStates, states, {info.states(), layout.rows(), info.row_elements()});
    constexpr double kMostBytes = 4e18;  // sums of two fit 64 bits
    if (4.0 * static_cast<double>(info.states()) * static_cast<double>(layout.rows()) *
            static_cast<double>(info.row_elements()) >
        kMostBytes) {
        fail("{}:/{} is larger than any disk", file.path(), kStates);
    }
    const h5::Handle type(H5Dget_type(states.get()), H5Tclose, file.path());
    if (H5Tequal(type.get(), state_type(info.dtype).get()) <= 0) {
        fail("{}:/{}: its element type is not {}", file.path(), kStates, name_of(info.dtype));
    }
    require_shape(file, kRecords, open_records(file), {layout.blocks(), BlockRecords(info, layout).width()});
    return layout;
}

h5::Handle open_states(const h5::File& file) {
    return open_array(file, kStates);
}

std::int64_t offset_of_states(const h5::File& file) {
    const haddr_t offset = H5Dget_offset(open_states(file).get());
    if (offset == HADDR_UNDEF) fail("{}:/{} is not contiguous", file.path(), kStates);
    return static_cast<std::int64_t>(offset);
}

h5::Handle open_records(const h5::File& file) {
    return open_array(file, kRecords);
}

BlockRecords read_records(const h5::File& file, const StoreInfo& info, const StoreLayout& layout) {
    BlockRecords records(info, layout);
    h5::check(H5Dread(open_records(file).get(), H5T_NATIVE_UINT32, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                      records.values().data()),
              fmt::format("cannot read {}:/{}", file.path(), kRecords));
    return records;
}

}  // namespace bv
