#include "io/safetensors.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include <nlohmann/json.hpp>

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
    BV_EXPECT(!"every DType has a safetensors code");
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

std::string write_safetensors(const std::filesystem::path& path,
                              const std::map<std::string, TensorView>& tensors,
                              const std::map<std::string, std::string>& metadata) {
    Json header = Json::object();
    if (!metadata.empty()) header["__metadata__"] = metadata;
    std::uint64_t at = 0;
    for (const auto& [name, tensor] : tensors) {
        header[name] = {{"dtype", code_of(tensor.dtype)},
                        {"shape", tensor.shape},
                        {"data_offsets", {at, at + tensor.bytes.size()}}};
        at += tensor.bytes.size();
    }
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8,
                ' ');  // the format wants the data to begin at a multiple of 8 bytes
    const std::uint64_t header_bytes = text.size();
    std::vector<std::string_view> pieces{{reinterpret_cast<const char*>(&header_bytes), sizeof(header_bytes)},
                                         text};
    for (const auto& [name, tensor] : tensors) pieces.push_back(tensor.bytes);
    return write_file(path, pieces);
}

}  // namespace bv
