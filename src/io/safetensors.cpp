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

/// As the format demands: tensors share no bytes and leave none between or behind them.
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

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path), file_(path) {
    const std::string_view all = file_.bytes();
    const std::string name = path.string();
    std::uint64_t header_bytes = 0;
    if (all.size() < sizeof(header_bytes))
        fail("{}: truncated: {} bytes hold no safetensors header", name, all.size());
    std::memcpy(&header_bytes, all.data(), sizeof(header_bytes));
    if (header_bytes > all.size() - sizeof(header_bytes)) {
        fail("{}: truncated or no safetensors file: its header claims {} bytes, the file has {}", name,
             header_bytes, all.size());
    }
    const std::string_view text = all.substr(sizeof(header_bytes), header_bytes);
    const std::string_view data = all.substr(sizeof(header_bytes) + header_bytes);
    const Json header = parse_json(text, name + ": header");
    if (!header.is_object()) fail("{}: no safetensors file: its header is no JSON object", name);
    for (const auto& [key, entry] : header.items()) {
        try {
            if (key == "__metadata__" && entry.is_null()) continue;  // null counts as absent
            if (key == "__metadata__") {
                metadata_ = entry.get<std::map<std::string, std::string>>();
                continue;
            }
            if (!holds_whole_numbers(entry.at("shape")) || !holds_whole_numbers(entry.at("data_offsets")) ||
                entry["data_offsets"].size() != 2) {
                fail("{}: the header's entry '{}' is malformed", name, key);
            }
            const auto code = entry.at("dtype").get<std::string>();
            const Code* known = nullptr;
            for (const Code& candidate : kCodes) {
                if (candidate.text == code) known = &candidate;
            }
            if (known == nullptr)
                fail("{}: tensor '{}' has element type {}, which is not supported", name, key, code);
            TensorView view{known->dtype, entry.at("shape").get<std::vector<std::int64_t>>(), {}};
            const auto offsets = entry.at("data_offsets").get<std::array<std::uint64_t, 2>>();
            std::uint64_t bytes = size_of(view.dtype);
            for (const std::int64_t extent : view.shape) {
                if (extent < 0 || (extent > 0 && bytes > std::numeric_limits<std::uint64_t>::max() /
                                                             static_cast<std::uint64_t>(extent))) {
                    fail("{}: tensor '{}' has an impossible shape", name, key);
                }
                bytes *= static_cast<std::uint64_t>(extent);
            }
            if (offsets[1] < offsets[0] || offsets[1] > data.size()) {
                fail("{}: truncated: tensor '{}' ends at byte {} of {} data bytes", name, key, offsets[1],
                     data.size());
            }
            if (offsets[1] - offsets[0] != bytes) {
                fail("{}: tensor '{}' has {} bytes where its shape needs {}", name, key,
                     offsets[1] - offsets[0], bytes);
            }
            view.bytes = data.substr(offsets[0], bytes);
            tensors_.emplace(key, std::move(view));
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
    text.resize((text.size() + 7) / 8 * 8, ' ');  // the format wants its data aligned to 8 bytes
    const std::uint64_t header_bytes = text.size();
    std::vector<std::string_view> pieces{{reinterpret_cast<const char*>(&header_bytes), sizeof(header_bytes)},
                                         text};
    for (const auto& [name, tensor] : tensors) pieces.push_back(tensor.bytes);
    return write_file(path, pieces);
}

}  // namespace bv
