#include "adapter/head_file.hpp"

#include <map>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/files.hpp"
#include "optim/tensor_files.hpp"

namespace bv {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 2;

Json to_json(const Head& head, std::int64_t k, const HeadOrigin& origin) {
    Json poolings = Json::array();
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

TrainedHead read_description(const std::filesystem::path& path) {
    const std::string text = read_file(path);
    try {
        const Json json = Json::parse(text);
        if (const int version = json.at("version").get<int>(); version != kVersion) {
            fail("{}: version {} of the format; this program reads version {}", path.string(), version,
                 kVersion);
        }
        return {build_head(json, path), read_origin(json)};
    } catch (const Json::parse_error& wrong) {
        fail("{}: no JSON: {} is wrong", path.string(), place_of(text, wrong.byte));
    } catch (const Json::exception& wrong) {
        fail("{}: no description of a head: {}", path.string(), wrong.what());
    }
}

}  // namespace

void save_head(const std::filesystem::path& folder, const Head& head, std::int64_t k,
               const HeadOrigin& origin) {
    std::map<std::string, at::Tensor> tensors;
    for (const auto* own : {&head.parameters(), &head.buffers()}) {
        for (const NamedTensor& named : *own) tensors.emplace(named.name, named.tensor.detach()[k]);
    }
    save_tensors(folder / "head.safetensors", tensors);
    write_file(folder / "head.json", to_json(head, k, origin).dump(2) + "\n");
}

TrainedHead load_head(const std::filesystem::path& folder) {
    TrainedHead trained = read_description(folder / "head.json");
    const std::filesystem::path path = folder / "head.safetensors";
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
        if (!all_finite(DType::f32, found->second.const_data_ptr(), found->second.numel())) {
            fail("{}: tensor '{}' holds NaN or infinity: the head has diverged", path.string(), own.name);
        }
        place.copy_(found->second);
    }
    return trained;
}

}  // namespace bv
