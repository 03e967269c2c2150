#include "heads/head_file.hpp"

#include <map>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "io/files.hpp"
#include "io/json_file.hpp"
#include "io/seal.hpp"
#include "tensor/tensor_files.hpp"

namespace bv {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr int kVersion = 2;
constexpr const char* kDescription = "head.json";
constexpr const char* kTensors = "head.safetensors";

OrderedJson to_json(const Head& head, std::int64_t k, const HeadOrigin& origin) {
    OrderedJson poolings = OrderedJson::array();
    for (const LayerWeights& learned : head.layer_weights(k)) {
        poolings.push_back({{"weights", learned.weights}, {"gamma", learned.gamma}});
    }
    return {{"version", kVersion},
            {"head", head.definition().name},
            {"task", to_string(head.definition().task)},
            {"parameters", head.parameter_count()},
            {"states", head.states()},
            {"hidden_size", head.hidden_size()},
            {"layers", origin.layers},
            {"each_layer", head.definition().each_layer},
            {"checkpoint", origin.checkpoint},
            {"epoch", origin.epoch},
            {"other_checkpoint", origin.other_checkpoint},
            {"features", origin.features},
            {"seed", origin.seed},
            {"data_seed", origin.data_seed},
            {"held_out", origin.held_out},
            {"held_out_features", origin.held_out_features},
            {"share", origin.share},
            {"shuffled_labels", origin.shuffled_labels},
            {"learning_rate", origin.learning_rate},
            {"batch", origin.batch},
            {"epochs", origin.epochs},
            {"layer_weights", poolings},
            {"definition", head.definition().text}};
}

Head build_head(const JsonPlace& json) {
    constexpr std::int64_t kLargest = 1'000'000;  // no BERT has as many states, or such wide ones
    const auto states = json.whole("states", 1, kLargest);
    const auto hidden_size = json.whole("hidden_size", 1, kLargest);
    return Head(parse_head(json.get<std::string>("head"), json.get<std::string>("definition"),
                           json.file() + ": definition"),
                states, hidden_size, {0});
}

HeadOrigin read_origin(const JsonPlace& json) {
    HeadOrigin origin;
    origin.layers = json.get<std::vector<std::int64_t>>("layers");
    origin.checkpoint = json.get<std::string>("checkpoint");
    origin.epoch = json.get<std::string>("epoch");
    origin.other_checkpoint = json.get<bool>("other_checkpoint");
    origin.features = json.get<std::string>("features");
    origin.seed = json.get<std::uint64_t>("seed");
    origin.data_seed = json.get<std::uint64_t>("data_seed");
    origin.held_out = json.get<double>("held_out");
    origin.held_out_features = json.get<std::string>("held_out_features");
    origin.share = json.get<double>("share");
    origin.shuffled_labels = json.get<bool>("shuffled_labels");
    origin.learning_rate = json.get<double>("learning_rate");
    origin.batch = json.get<std::int64_t>("batch");
    origin.epochs = json.get<std::int64_t>("epochs");
    return origin;
}

/// Reads head.json. Throws Error when it is damaged or has another version.
JsonFile read_description(const std::filesystem::path& path) {
    JsonFile file(path);
    require_seal(file);
    if (const auto version = file.place().get<std::int64_t>("version"); version != kVersion)
        fail("{}: version {} of the format; this program reads version {}", file.name(), version, kVersion);
    return file;
}

/// Throws Error when the tensors are not those that the description names by their fingerprint.
void require_tensors(const JsonPlace& description, const std::filesystem::path& path) {
    const auto promised = description.get<std::string>("tensors");
    const std::string found = head_fingerprint(path.parent_path());
    if (promised != found) {
        fail("{}: it is damaged or was changed: its fingerprint is {}, but {} says {}", path.string(), found,
             kDescription, promised);
    }
}

}  // namespace

void save_head(const std::filesystem::path& folder, const Head& head, std::int64_t k,
               const HeadOrigin& origin) {
    std::map<std::string, at::Tensor> tensors;
    for (const auto* own : {&head.parameters(), &head.buffers()}) {
        for (const NamedTensor& named : *own) tensors.emplace(named.name, named.tensor.detach()[k]);
    }
    const std::string written = save_tensors(folder / kTensors, tensors);
    OrderedJson json = to_json(head, k, origin);
    json["tensors"] = written;
    json[kSeal] = seal_of(json);
    write_file(folder / kDescription, json.dump(2) + "\n");
}

std::string head_fingerprint(const std::filesystem::path& folder) {
    return fingerprint(MappedFile(folder / kTensors).bytes());
}

TrainedHead load_head(const std::filesystem::path& folder) {
    const JsonFile file = read_description(folder / kDescription);
    const JsonPlace description = file.place();
    TrainedHead trained{build_head(description), read_origin(description)};
    const std::filesystem::path path = folder / kTensors;
    require_tensors(description, path);
    const auto tensors = load_tensors(path, at::kFloat);
    std::vector<NamedTensor> wanted = trained.head.parameters();
    wanted.insert(wanted.end(), trained.head.buffers().begin(), trained.head.buffers().end());
    for (const NamedTensor& own : wanted) {
        const auto found = tensors.find(own.name);
        if (found == tensors.end()) fail("{}: there is no tensor '{}'", path.string(), own.name);
        const at::Tensor place = own.tensor[0];
        if (found->second.sizes() != place.sizes()) {
            fail("{}: tensor '{}' has {} elements, but its head.json says {}", path.string(), own.name,
                 found->second.numel(), place.numel());
        }
        if (!all_finite(DType::f32, found->second.const_data_ptr(), found->second.numel())) {
            fail("{}: tensor '{}' holds NaN or infinity: the head's training diverged", path.string(),
                 own.name);
        }
        place.copy_(found->second);
    }
    return trained;
}

}  // namespace bv
