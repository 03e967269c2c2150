#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/words.hpp"

namespace bv {

/// The activation function of a feed-forward layer. gelu is exact; gelu_new and gelu_pytorch_tanh are two
/// names for its approximation by tanh.
enum class Activation { gelu, gelu_new, gelu_pytorch_tanh, relu };

template <>
struct Words<Activation> {
    static constexpr std::string_view kKind = "activation";
    static constexpr std::array<std::string_view, 4> kWords{"gelu", "gelu_new", "gelu_pytorch_tanh", "relu"};
};

/// The shape of a BERT, as in a Hugging Face config.json.
struct BertConfig {
    std::int64_t hidden_size = 768;         ///< H
    std::int64_t layers = 12;               ///< encoder layers; L = layers + 1 hidden states
    std::int64_t heads = 12;                ///< A
    std::int64_t intermediate_size = 3072;  ///< width of the feed-forward layer
    std::int64_t vocabulary = 30522;        ///< rows of the word embedding
    std::int64_t positions = 512;           ///< longest sequence
    std::int64_t segments = 2;              ///< rows of the segment embedding
    Activation activation = Activation::gelu;
    double layer_norm_epsilon = 1e-12;
    double hidden_dropout = 0.1;      ///< after embeddings and each sub-layer
    double attention_dropout = 0.1;   ///< on attention probabilities
    double head_dropout = 0.1;        ///< before the classifier (classifier_dropout, else hidden_dropout)
    double initializer_range = 0.02;  ///< standard deviation of new weights

    std::int64_t head_size() const { return hidden_size / heads; }
    std::int64_t states() const { return layers + 1; }
};

/// Reads `folder`/config.json. Throws Error, which names the file and key, if the file is missing or
/// malformed, if the architecture is not BERT's (a decoder, relative position embeddings, an unknown
/// activation), or if sizes do not fit each other.
BertConfig read_bert_config(const std::filesystem::path& folder);

/// The content of config.json for Hugging Face's BertConfig. `architecture` is the name of its model class,
/// for example "BertForQuestionAnswering".
nlohmann::json to_json(const BertConfig& config, const std::string& architecture);

}  // namespace bv
