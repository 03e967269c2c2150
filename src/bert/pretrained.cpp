#include "bert/pretrained.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <set>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/ranges.h>

#include "core/error.hpp"
#include "io/files.hpp"
#include "io/json_file.hpp"
#include "io/paths.hpp"
#include "io/safetensors.hpp"
#include "optim/checkpoint.hpp"
#include "tensor/tensor_files.hpp"

namespace bv {
namespace {

constexpr std::string_view kPrefix = "bert.";

bool starts_with_any(std::string_view name, const std::vector<std::string>& prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& p) { return name.starts_with(p); });
}

/// Whether `name` is a tensor that a published folder may hold although the model does not need it: a tensor
/// of a pooler, of a head of another task or of pre-training, or an integer buffer of an old version.
bool is_ignored(std::string_view name) {
    static const std::vector<std::string> known{"pooler.",
                                                "cls.",
                                                "qa_outputs.",
                                                "classifier.",
                                                "embeddings.position_ids",
                                                "embeddings.token_type_ids"};
    return starts_with_any(name, known);
}

/// The name in this code: without "bert.", and with weight and bias for LayerNorm's gamma and beta.
std::string canonical(std::string name) {
    if (name.starts_with(kPrefix)) name.erase(0, kPrefix.size());
    for (const auto& [old_end, new_end] :
         {std::pair<std::string, std::string>{"LayerNorm.gamma", "LayerNorm.weight"},
          {"LayerNorm.beta", "LayerNorm.bias"}}) {
        if (name.ends_with(old_end)) name.replace(name.size() - old_end.size(), old_end.size(), new_end);
    }
    return name;
}

std::vector<std::filesystem::path> weight_files(const std::filesystem::path& folder) {
    if (is_there(folder / "model.safetensors")) return {folder / "model.safetensors"};
    const std::filesystem::path index = folder / "model.safetensors.index.json";
    if (!is_there(index)) {
        const bool pickled = is_there(folder / "pytorch_model.bin");
        fail("{}: holds no model.safetensors{}", folder.string(),
             pickled ? "; convert its pytorch_model.bin by from_pretrained(...).save_pretrained(...)" : "");
    }
    const JsonFile json(index);
    std::set<std::string> names;
    for (const auto& [tensor, file] : json.place().at("weight_map").members())
        names.insert(file.get<std::string>());
    std::vector<std::filesystem::path> files;
    for (const std::string& name : names) files.push_back(folder / name);
    return files;
}

void fill(const at::Tensor& target, const TensorView& source, const std::string& place) {
    if (!std::equal(source.shape.begin(), source.shape.end(), target.sizes().begin(), target.sizes().end())) {
        fail("{}: has shape ({}), expected ({})", place, fmt::join(source.shape, ", "),
             fmt::join(target.sizes(), ", "));
    }
    const at::Tensor found = to_tensor(source);
    if (!found.is_floating_point()) fail("{}: holds {}, expected floats", place, name_of(source.dtype));
    target.copy_(found);
}

/// Throws Error if a value is not finite. All threads check pieces, because BERT-Large has a third of a
/// billion weights.
void require_finite(const at::Tensor& values, const std::string& place) {
    constexpr std::int64_t kPiece = std::int64_t{1} << 18;
    std::atomic<bool> finite = true;
    at::parallel_for(0, values.numel(), kPiece, [&](std::int64_t begin, std::int64_t end) {
        if (!all_finite(DType::f32, values.const_data_ptr<float>() + begin, end - begin)) finite = false;
    });
    if (!finite) {
        fail("{}: holds NaN or infinity; perhaps the training diverged: give an earlier checkpoint", place);
    }
}

/// The rows of `parameter` that are stored under the name `parameter.names[part]`.
at::Tensor part_of(const Parameter& parameter, std::size_t part) {
    const std::int64_t rows = parameter.tensor.size(0) / static_cast<std::int64_t>(parameter.names.size());
    return parameter.tensor.detach().narrow(0, static_cast<std::int64_t>(part) * rows, rows);
}

}  // namespace

std::vector<Parameter> read_weights(const std::filesystem::path& folder,
                                    const std::vector<Parameter>& parameters,
                                    const std::vector<std::string>& optional,
                                    const std::vector<std::string>& unused) {
    struct Found {
        const SafetensorsFile* file;
        std::string name;
    };
    std::vector<std::unique_ptr<SafetensorsFile>> files;
    std::map<std::string, Found> found;
    for (const auto& path : weight_files(folder)) {
        files.push_back(std::make_unique<SafetensorsFile>(path));
        for (const auto& [name, view] : files.back()->tensors()) {
            const auto [place, is_new] = found.try_emplace(canonical(name), Found{files.back().get(), name});
            if (!is_new) {
                fail("{}: holds the tensor '{}' twice: as '{}' and as '{}'", folder.string(), place->first,
                     place->second.name, name);
            }
        }
    }
    std::vector<Parameter> absent;
    for (const Parameter& parameter : parameters) {
        bool whole = true;
        for (std::size_t part = 0; part < parameter.names.size(); ++part) {
            const std::string& name = parameter.names[part];
            const auto entry = found.find(name);
            if (entry == found.end()) {
                if (!starts_with_any(name, optional)) fail("{}: holds no tensor '{}'", folder.string(), name);
                whole = false;
                continue;
            }
            const SafetensorsFile& file = *entry->second.file;
            const std::string place =
                fmt::format("{}: tensor '{}'", file.path().string(), entry->second.name);
            const at::Tensor target = part_of(parameter, part);
            fill(target, file.at(entry->second.name), place);
            if (!starts_with_any(name, unused)) require_finite(target, place);
            found.erase(entry);
        }
        if (!whole) absent.push_back(parameter);
    }
    for (const auto& [name, place] : found) {
        if (!is_ignored(name)) {
            fail("{}: tensor '{}' does not belong to a BERT with this config.json",
                 place.file->path().string(), place.name);
        }
    }
    return absent;
}

void require_size(const std::filesystem::path& folder, const BertConfig& config) {
    const std::int64_t hidden = config.hidden_size;
    const std::int64_t layer = 4 * hidden * hidden + 2 * hidden * config.intermediate_size;
    const std::int64_t least =  // the matrices of the encoder, which every folder holds
        (config.vocabulary + config.positions + config.segments) * hidden + config.layers * layer;
    std::uintmax_t bytes = 0;
    for (const auto& path : weight_files(folder)) bytes += MappedFile(path).bytes().size();
    constexpr std::uintmax_t kLeastBytes = 2;  // bytes of a number
    if (bytes / kLeastBytes < static_cast<std::uintmax_t>(least)) {
        fail(
            "{}: its config.json describes a model of {} numbers or more, but its weights have only {} bytes",
            folder.string(), least, bytes);
    }
}

std::string model_fingerprint(const std::filesystem::path& folder) {
    std::string all;
    const auto files = weight_files(folder);
    for (const auto& path : files) all += fingerprint(MappedFile(path).bytes());
    if (files.size() > 1) all = fingerprint(all);
    require_weights(folder, all);
    if (read_checkpoint(folder)) return all;
    return fingerprint(all + to_json(read_bert_config(folder), "").dump());
}

std::string write_weights(const std::filesystem::path& folder, const std::vector<Parameter>& parameters,
                          const std::vector<std::string>& heads) {
    std::map<std::string, at::Tensor> tensors;
    for (const Parameter& parameter : parameters) {
        for (std::size_t part = 0; part < parameter.names.size(); ++part) {
            const std::string& name = parameter.names[part];
            tensors[starts_with_any(name, heads) ? name : std::string(kPrefix) + name] =
                part_of(parameter, part);
        }
    }
    return save_tensors(folder / "model.safetensors", tensors);
}

}  // namespace bv
