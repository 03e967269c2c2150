#include "bert/config.hpp"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/files.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;

/// Reads keys of one config.json with errors that name file and key.
class Reader {
  public:
    explicit Reader(const std::filesystem::path& path) : path_(path.string()) {
        const std::string text = read_file(path);
        try {
            json_ = Json::parse(text);
        } catch (const Json::parse_error& wrong) {
            fail("{}: malformed JSON at {}", path_, place_of(text, wrong.byte - 1));
        }
        if (!json_.is_object()) fail("{}: expected a JSON object", path_);
    }

    template <class T>
    T get(const std::string& key, T otherwise) const {
        const auto found = json_.find(key);
        if (found == json_.end() || found->is_null()) return otherwise;
        return converted<T>(key, *found);
    }

    std::int64_t size(const std::string& key) const {
        const auto found = json_.find(key);
        if (found == json_.end()) fail("{}: key '{}' is missing", path_, key);
        const auto value = converted<std::int64_t>(key, *found);
        if (value < 1) fail("{}: key '{}' is {}, expected a positive number", path_, key, value);
        return value;
    }

    const std::string& path() const { return path_; }

  private:
    template <class T>
    T converted(const std::string& key, const Json& value) const {
        try {
            return value.get<T>();
        } catch (const Json::exception&) {
            fail("{}: key '{}' is {}, which has the wrong type", path_, key, value.dump());
        }
    }

    std::string path_;
    Json json_;
};

}  // namespace

BertConfig read_bert_config(const std::filesystem::path& folder) {
    const std::filesystem::path path = folder / "config.json";
    if (!std::filesystem::exists(path)) fail("{}: no model folder, it has no config.json", folder.string());
    const Reader json(path);
    const auto expect = [&](const std::string& key, const std::string& found, const std::string& expected) {
        if (found != expected) fail("{}: key '{}' is '{}', expected '{}'", json.path(), key, found, expected);
    };
    const auto kind = json.get<std::string>("model_type", "");
    expect("model_type", kind, "bert");
    expect("position_embedding_type", json.get<std::string>("position_embedding_type", "absolute"),
           "absolute");
    if (json.get<bool>("is_decoder", false))
        fail("{}: a decoder; expected an encoder (is_decoder false)", json.path());

    BertConfig config;
    config.hidden_size = json.size("hidden_size");
    config.layers = json.size("num_hidden_layers");
    config.heads = json.size("num_attention_heads");
    config.intermediate_size = json.size("intermediate_size");
    config.vocabulary = json.size("vocab_size");
    config.positions = json.size("max_position_embeddings");
    config.segments = json.get<std::int64_t>("type_vocab_size", 2);
    config.activation = json.get<std::string>("hidden_act", "gelu");
    config.layer_norm_epsilon = json.get<double>("layer_norm_eps", 1e-12);
    config.hidden_dropout = json.get<double>("hidden_dropout_prob", 0.1);
    config.attention_dropout = json.get<double>("attention_probs_dropout_prob", 0.1);
    config.head_dropout = json.get<double>("classifier_dropout", config.hidden_dropout);
    config.initializer_range = json.get<double>("initializer_range", 0.02);

    constexpr std::array kActivations{"gelu", "gelu_new", "gelu_pytorch_tanh", "relu"};
    if (std::find(kActivations.begin(), kActivations.end(), config.activation) == kActivations.end()) {
        fail("{}: key 'hidden_act' is '{}'; known: gelu, gelu_new, gelu_pytorch_tanh, relu", json.path(),
             config.activation);
    }
    if (config.hidden_size % config.heads != 0) {
        fail("{}: hidden_size {} does not divide into {} heads", json.path(), config.hidden_size,
             config.heads);
    }
    if (config.segments < 2) fail("{}: type_vocab_size is {}, expected 2", json.path(), config.segments);
    for (const double p : {config.hidden_dropout, config.attention_dropout, config.head_dropout}) {
        if (p < 0 || p >= 1) fail("{}: a dropout probability is {}, expected 0 <= p < 1", json.path(), p);
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
            {"hidden_act", config.activation},
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
