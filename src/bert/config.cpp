#include "bert/config.hpp"

#include "core/error.hpp"
#include "io/json_file.hpp"
#include "io/paths.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

/// The largest size that is accepted. No model has a larger one, and products of several sizes fit into 64
/// bits.
constexpr std::int64_t kLargestSize = 1'000'000;

/// The number `key`, or `otherwise` if it is missing. Throws Error unless it is at least 0 and less than
/// `below`.
double number(const JsonPlace& json, const std::string& key, double otherwise, double below) {
    const double value = json.get<double>(key, otherwise);
    if (value < 0 || value >= below) json.at(key).wrong(fmt::format("0 <= {} < {}", key, below));
    return value;
}

}  // namespace

BertConfig read_bert_config(const std::filesystem::path& folder) {
    const std::filesystem::path path = folder / "config.json";
    if (!is_there(path)) fail("{}: no model folder, it has no config.json", folder.string());
    const JsonFile file(path);
    const JsonPlace json = file.place();
    const auto size = [&](const char* key) { return json.whole(key, 1, kLargestSize); };
    const auto expect = [&](const std::string& key, const std::string& found, const std::string& expected) {
        if (found != expected)
            fail("{}: key '{}' is '{}', expected '{}'", path.string(), key, found, expected);
    };
    const auto kind = json.get<std::string>("model_type", "");
    expect("model_type", kind, "bert");
    expect("position_embedding_type", json.get<std::string>("position_embedding_type", "absolute"),
           "absolute");
    if (json.get<bool>("is_decoder", false)) json.at("is_decoder").wrong("false, because BERT is an encoder");

    BertConfig config;
    config.hidden_size = size("hidden_size");
    config.layers = size("num_hidden_layers");
    config.heads = size("num_attention_heads");
    config.intermediate_size = size("intermediate_size");
    config.vocabulary = size("vocab_size");
    config.positions = size("max_position_embeddings");
    if (json.has("type_vocab_size")) config.segments = json.whole("type_vocab_size", 2, kLargestSize);
    config.layer_norm_epsilon = number(json, "layer_norm_eps", 1e-12, 1);
    config.hidden_dropout = number(json, "hidden_dropout_prob", 0.1, 1);
    config.attention_dropout = number(json, "attention_probs_dropout_prob", 0.1, 1);
    config.head_dropout = number(json, "classifier_dropout", config.hidden_dropout, 1);
    config.initializer_range = number(json, "initializer_range", 0.02, 1000);

    const auto known =
        find_word<Activation>(json.get<std::string>("hidden_act", to_string(config.activation)));
    if (!known) json.at("hidden_act").wrong("one of " + choices<Activation>());
    config.activation = *known;
    if (config.hidden_size % config.heads != 0) {
        fail("{}: hidden_size {} does not divide into {} heads", path.string(), config.hidden_size,
             config.heads);
    }
    return config;
}

Json to_json(const BertConfig& config, const std::string& architecture) {
    return {{"architectures", {architecture}},
            {"model_type", "bert"},
            {"hidden_size", config.hidden_size},
            {"num_hidden_layers", config.layers},
            {"num_attention_heads", config.heads},
            {"intermediate_size", config.intermediate_size},
            {"vocab_size", config.vocabulary},
            {"max_position_embeddings", config.positions},
            {"type_vocab_size", config.segments},
            {"hidden_act", to_string(config.activation)},
            {"layer_norm_eps", config.layer_norm_epsilon},
            {"hidden_dropout_prob", config.hidden_dropout},
            {"attention_probs_dropout_prob", config.attention_dropout},
            {"classifier_dropout", config.head_dropout},
            {"initializer_range", config.initializer_range},
            {"position_embedding_type", "absolute"},
            {"pad_token_id", 0},
            {"dtype", "float32"}};
}

}  // namespace bv
