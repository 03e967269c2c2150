#include "adapter/head_file.hpp"

#include <map>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/files.hpp"
#include "core/json.hpp"
#include "core/seal.hpp"
#include "optim/tensor_files.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;
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
            {"task", head.definition().task},
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
            {"share", origin.share},
            {"learning_rate", origin.learning_rate},
            {"batch", origin.batch},
            {"epochs", origin.epochs},
            {"layer_weights", poolings},
            {"definition", head.definition().text}};
}

Head build_head(const Json& json, const std::filesystem::path& path) {
    return Head(parse_head(json.at("head").get<std::string>(), json.at("definition").get<std::string>(),
                           path.string() + ": definition"),
                json.at("states").get<std::int64_t>(), json.at("hidden_size").get<std::int64_t>(), {0});
}

HeadOrigin read_origin(const Json& json) {
    HeadOrigin origin;
    json.at("layers").get_to(origin.layers);
    json.at("checkpoint").get_to(origin.checkpoint);
    json.at("epoch").get_to(origin.epoch);
    json.at("other_checkpoint").get_to(origin.other_checkpoint);
    json.at("features").get_to(origin.features);
    json.at("seed").get_to(origin.seed);
    json.at("data_seed").get_to(origin.data_seed);
    json.at("held_out").get_to(origin.held_out);
    origin.share = json.value("share", 1.0);  // heads from before there were shares have none
    json.at("learning_rate").get_to(origin.learning_rate);
    json.at("batch").get_to(origin.batch);
    json.at("epochs").get_to(origin.epochs);
    return origin;
}

TrainedHead build(const Json& description, const std::filesystem::path& path) {
    try {
        return {build_head(description, path), read_origin(description)};
    } catch (const Json::exception& wrong) {
        fail("{}: no description of a head: {}", path.string(), wrong.what());
    }
}

/// The description, whole and of this version.
Json read_description(const std::filesystem::path& path) {
    Json json = read_json(path);
    if (!json.is_object()) fail("{}: no description of a head: expected a JSON object", path.string());
    require_seal(json, path.string());
    const Json version = json.value("version", Json());
    if (version != kVersion) {
        fail("{}: version {} of the format; this program reads version {}", path.string(), version.dump(),
             kVersion);
    }
    return json;
}

/// Heads of older programs say no fingerprint of their tensors.
void require_tensors(const Json& description, const std::filesystem::path& path) {
    const Json promised = description.value("tensors", Json());
    const std::string found = fingerprint(MappedFile(path).bytes());
    if (!promised.is_null() && promised != found) {
        fail("{}: it is damaged or was changed: its fingerprint is {}, {} says {}", path.string(), found,
             kDescription, promised.dump());
    }
}

}  // namespace

void save_head(const std::filesystem::path& folder, const Head& head, std::int64_t k,
               const HeadOrigin& origin) {
    std::map<std::string, at::Tensor> tensors;
    for (const auto* own : {&head.parameters(), &head.buffers()}) {
        for (const NamedTensor& named : *own) tensors.emplace(named.name, named.tensor.detach()[k]);
    }
    save_tensors(folder / kTensors, tensors);
    OrderedJson json = to_json(head, k, origin);
    json["tensors"] = fingerprint(MappedFile(folder / kTensors).bytes());
    json[kSeal] = seal_of(json);
    write_file(folder / kDescription, json.dump(2) + "\n");
}

TrainedHead load_head(const std::filesystem::path& folder) {
    const Json description = read_description(folder / kDescription);
    TrainedHead trained = build(description, folder / kDescription);
    const std::filesystem::path path = folder / kTensors;
    require_tensors(description, path);
    const auto tensors = load_tensors(path, at::kFloat);
    std::vector<NamedTensor> wanted = trained.head.parameters();
    wanted.insert(wanted.end(), trained.head.buffers().begin(), trained.head.buffers().end());
    for (const NamedTensor& own : wanted) {
        const auto found = tensors.find(own.name);
        if (found == tensors.end()) fail("{}: no tensor '{}'", path.string(), own.name);
        const at::Tensor place = own.tensor[0];
        if (found->second.sizes() != place.sizes()) {
            fail("{}: tensor '{}' has {} elements, its head.json wants {}", path.string(), own.name,
                 found->second.numel(), place.numel());
        }
        place.copy_(found->second);
    }
    return trained;
}

}  // namespace bv
