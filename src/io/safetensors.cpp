#include "io/safetensors.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "core/error.hpp"
#include "io/json.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

struct Code {
    std::string_view text;
    DType dtype;
};

constexpr std::array<Code, 7> kCodes{{{"F64", DType::f64},
                                      {"F32", DType::f32},
                                      {"F16", DType::f16},
                                      {"BF16", DType::bf16},
                                      {"I64", DType::i64},
                                      {"I32", DType::i32},
                                      {"U8", DType::u8}}};

std::string_view code_of(DType dtype) {
    for (const Code& code : kCodes) {
        if (code.dtype == dtype) return code.text;
    }
    BV_EXPECT(!"every DType but f8 has a safetensors code");
    return {};
}

bool holds_whole_numbers(const Json& list) {
    return list.is_array() &&
           std::all_of(list.begin(), list.end(), [](const Json& entry) { return entry.is_number_integer(); });
}

/// Throws Error unless each byte of the data belongs to exactly one tensor, as the format demands.
void check_coverage(const std::map<std::string, TensorView>& tensors, std::string_view data,
                    const std::string& file) {
    std::vector<std::pair<std::size_t, const std::string*>> begins;
    for (const auto& [name, view] : tensors) {
        if (!view.bytes.empty()) begins.emplace_back(view.bytes.data() - data.data(), &name);
    }
    std::sort(begins.begin(), begins.end());
    std::size_t end = 0;
    for (const auto& [begin, name] : begins) {
        if (begin != end) {
            fail("{}: tensor '{}' begins at data byte {}, where the one before it ends at {}", file, *name,
                 begin, end);
        }
        end += tensors.at(*name).bytes.size();
    }
    if (end != data.size()) fail("{}: has {} data bytes, but its tensors end at {}", file, data.size(), end);
}

struct Parts {
    std::string_view header;  ///< JSON
    std::string_view data;    ///< of all tensors
};

Parts parts_of(std::string_view all, const std::string& file) {
    std::uint64_t header_bytes = 0;
    if (all.size() < sizeof(header_bytes))
        fail("{}: truncated: {} bytes hold no safetensors header", file, all.size());
    std::memcpy(&header_bytes, all.data(), sizeof(header_bytes));
    if (header_bytes > all.size() - sizeof(header_bytes)) {
        fail("{}: truncated or no safetensors file: its header claims {} bytes, the file has {}", file,
             header_bytes, all.size());
    }
    return {all.substr(sizeof(header_bytes), header_bytes), all.substr(sizeof(header_bytes) + header_bytes)};
}

/// An entry of a header that describes a tensor, and the file and key for messages.
struct Entry {
    const std::string& file;
    const std::string& key;
    const Json& json;
};

DType dtype_of(const Entry& entry) {
    const auto text = entry.json.at("dtype").get<std::string>();
    for (const Code& code : kCodes) {
        if (code.text == text) return code.dtype;
    }
    fail("{}: tensor '{}' has element type {}, which is not supported", entry.file, entry.key, text);
}

/// The size in bytes of a tensor of this type and shape.
std::uint64_t bytes_of(const Entry& entry, DType dtype, const std::vector<std::int64_t>& shape) {
    std::uint64_t bytes = size_of(dtype);
    for (const std::int64_t extent : shape) {
        if (extent < 0 || (extent > 0 && bytes > std::numeric_limits<std::uint64_t>::max() /
                                                     static_cast<std::uint64_t>(extent))) {
            fail("{}: tensor '{}' has an impossible shape", entry.file, entry.key);
        }
        bytes *= static_cast<std::uint64_t>(extent);
    }
    return bytes;
}

/// The tensor that the entry describes. Throws Error, or Json::exception if a member is missing or has
/// another type.
TensorView view_of(const Entry& entry, std::string_view data) {
    const Json& places = entry.json.at("data_offsets");
    if (!holds_whole_numbers(entry.json.at("shape")) || !holds_whole_numbers(places) || places.size() != 2)
        fail("{}: the header's entry '{}' is malformed", entry.file, entry.key);
    TensorView view{dtype_of(entry), entry.json.at("shape").get<std::vector<std::int64_t>>(), {}};
    const std::uint64_t bytes = bytes_of(entry, view.dtype, view.shape);
    const auto [begin, end] = places.get<std::array<std::uint64_t, 2>>();
    if (end < begin || end > data.size()) {
        fail("{}: truncated: tensor '{}' ends at byte {} of {} data bytes", entry.file, entry.key, end,
             data.size());
    }
    if (end - begin != bytes) {
        fail("{}: tensor '{}' has {} bytes where its shape needs {}", entry.file, entry.key, end - begin,
             bytes);
    }
    view.bytes = data.substr(begin, bytes);
    return view;
}

/// Writes `bytes` into the file from byte `offset` on. Throws Error, which names the path.
void write_at(const Descriptor& file, const std::filesystem::path& path, std::string_view bytes,
              std::uint64_t offset) {
    while (!bytes.empty()) {
        const ssize_t written = ::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) fail("cannot write {}: {}", path.string(), std::strerror(errno));
        bytes.remove_prefix(static_cast<std::size_t>(written));
        offset += static_cast<std::uint64_t>(written);
    }
}

/// A tensor to be written, as the header describes it.
struct Described {
    DType dtype;
    const std::vector<std::int64_t>& shape;
    std::uint64_t bytes;
};

/// The beginning of a file with these tensors, one after another in this order: the length of the header, and
/// the header, padded so that the data begin at a multiple of 8 bytes, as the format wants.
std::string beginning_of(const std::map<std::string, Described>& tensors,
                         const std::map<std::string, std::string>& metadata) {
    Json header = Json::object();
    if (!metadata.empty()) header["__metadata__"] = metadata;
    std::uint64_t at = 0;
    for (const auto& [name, tensor] : tensors) {
        header[name] = {{"dtype", code_of(tensor.dtype)},
                        {"shape", tensor.shape},
                        {"data_offsets", {at, at + tensor.bytes}}};
        at += tensor.bytes;
    }
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    const std::uint64_t bytes = text.size();
    return std::string(reinterpret_cast<const char*>(&bytes), sizeof(bytes)) + text;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path), file_(path) {
    const std::string name = path.string();
    const auto [text, data] = parts_of(file_.bytes(), name);
    const Json header = parse_json(text, name + ": header");
    if (!header.is_object()) fail("{}: no safetensors file: its header is no JSON object", name);
    for (const auto& [key, entry] : header.items()) {
        try {
            if (key != "__metadata__") {
                tensors_.emplace(key, view_of({name, key, entry}, data));
            } else if (!entry.is_null()) {  // null counts as absent
                metadata_ = entry.get<std::map<std::string, std::string>>();
            }
        } catch (const Json::exception&) {
            fail("{}: the header's entry '{}' is malformed", name, key);
        }
    }
    check_coverage(tensors_, data, name);
}

const TensorView& SafetensorsFile::at(const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) fail("{}: holds no tensor '{}'", path_.string(), name);
    return found->second;
}

const std::string& SafetensorsFile::metadata_at(const std::string& key, std::string_view kind) const {
    const auto found = metadata_.find(key);
    if (found == metadata_.end()) fail("{}: no {}: its metadata has no '{}'", path_.string(), kind, key);
    return found->second;
}

std::string write_safetensors(const std::filesystem::path& path,
                              const std::map<std::string, TensorView>& tensors,
                              const std::map<std::string, std::string>& metadata) {
    std::map<std::string, Described> described;
    for (const auto& [name, tensor] : tensors)
        described.emplace(name, Described{tensor.dtype, tensor.shape, tensor.bytes.size()});
    const std::string beginning = beginning_of(described, metadata);
    std::vector<std::string_view> pieces{beginning};
    for (const auto& [name, tensor] : tensors) pieces.push_back(tensor.bytes);
    return write_file(path, pieces);
}

SafetensorsParts::SafetensorsParts(std::filesystem::path path,
                                   const std::map<std::string, TensorShape>& tensors,
                                   const std::map<std::string, std::string>& metadata)
    : path_(std::move(path)) {
    std::map<std::string, Described> described;
    for (const auto& [name, tensor] : tensors) {
        std::uint64_t bytes = size_of(tensor.dtype);
        for (const std::int64_t extent : tensor.shape) bytes *= static_cast<std::uint64_t>(extent);
        described.emplace(name, Described{tensor.dtype, tensor.shape, bytes});
    }
    header_ = beginning_of(described, metadata);
    size_ = header_.size();
    for (const auto& [name, tensor] : described) {
        places_[name] = {size_, size_ + tensor.bytes, size_of(tensor.dtype)};
        size_ += tensor.bytes;
    }
}

void SafetensorsParts::create() const {
    const Descriptor file(path_, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file.ok()) fail("cannot create {}: {}", path_.string(), std::strerror(errno));
    write_at(file, path_, header_, 0);
    // A file system that can reserve the space says now whether the disk is too full.
    const auto size = static_cast<off_t>(size_);
    int result = -1;
    do {  // some file systems let the stop signal interrupt this call
        result = ::fallocate(file.get(), 0, 0, size);
    } while (result != 0 && errno == EINTR);
    if (result != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) result = ::ftruncate(file.get(), size);
    if (result != 0) fail("cannot write {} bytes to {}: {}", size_, path_.string(), std::strerror(errno));
}

void SafetensorsParts::open() {
    descriptor_ = Descriptor(path_, O_WRONLY);
    if (!descriptor_.ok()) fail("cannot open {}: {}", path_.string(), std::strerror(errno));
}

void SafetensorsParts::write(const std::string& name, std::int64_t first, std::string_view bytes) const {
    const Place& place = places_.at(name);
    const std::uint64_t begin = place.begin + static_cast<std::uint64_t>(first) * place.element;
    BV_EXPECT(begin + bytes.size() <= place.end);
    write_at(descriptor_, path_, bytes, begin);
}

void SafetensorsParts::flush() const {
    if (::fsync(descriptor_.get()) != 0)
        fail("cannot write {} to disk: {}", path_.string(), std::strerror(errno));
}

}  // namespace bv
