#include "bert/encoder.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "bert/attention/attention.hpp"
#include "bert/layer_recomputation.hpp"

namespace bv {
namespace {

Parameter parameter(std::vector<std::string> names, at::IntArrayRef shape) {
    return {std::move(names), at::zeros(shape, at::kFloat)};
}

at::Tensor activate(const at::Tensor& x, Activation activation) {
    if (activation == Activation::relu) return at::relu(x);
    return at::gelu(x, activation == Activation::gelu ? "none" : "tanh");
}

}  // namespace

Encoder::Encoder(const BertConfig& config) : config_(config) {
    const std::int64_t hidden = config.hidden_size;
    const auto linear = [](const std::vector<std::string>& names, std::int64_t in, std::int64_t out) {
        std::vector<std::string> weights, biases;
        for (const std::string& name : names) {
            weights.push_back(name + ".weight");
            biases.push_back(name + ".bias");
        }
        return Linear{parameter(weights, {out, in}), parameter(biases, {out})};
    };
    const auto layer_norm = [&](const std::string& name) {
        LayerNorm norm{parameter({name + ".weight"}, {hidden}), parameter({name + ".bias"}, {hidden})};
        norm.weight.tensor.fill_(1);
        return norm;
    };
    words_ = parameter({"embeddings.word_embeddings.weight"}, {config.vocabulary, hidden});
    positions_ = parameter({"embeddings.position_embeddings.weight"}, {config.positions, hidden});
    segments_ = parameter({"embeddings.token_type_embeddings.weight"}, {config.segments, hidden});
    embedding_norm_ = layer_norm("embeddings.LayerNorm");
    for (std::int64_t i = 0; i < config.layers; ++i) {
        const std::string at = "encoder.layer." + std::to_string(i) + ".";
        Layer layer;
        layer.query_key_value =
            linear({at + "attention.self.query", at + "attention.self.key", at + "attention.self.value"},
                   hidden, 3 * hidden);
        layer.attention_output = linear({at + "attention.output.dense"}, hidden, hidden);
        layer.attention_norm = layer_norm(at + "attention.output.LayerNorm");
        layer.intermediate = linear({at + "intermediate.dense"}, hidden, config.intermediate_size);
        layer.output = linear({at + "output.dense"}, config.intermediate_size, hidden);
        layer.output_norm = layer_norm(at + "output.LayerNorm");
        layers_.push_back(std::move(layer));
    }
}

void Encoder::freeze() {
    for (Layer& layer : layers_) {
        for (Linear* linear :
             {&layer.query_key_value, &layer.attention_output, &layer.intermediate, &layer.output})
            linear->frozen = FrozenLinear(linear->weight.tensor, linear->bias.tensor, precision_);
    }
}

at::Tensor Encoder::multiplied(const at::Tensor& x, const Linear& linear) const {
    if (linear.frozen) return linear.frozen(x);
    return bv::linear(x, linear.weight.tensor.to(precision_), linear.bias.tensor.to(precision_));
}

HiddenState Encoder::normed(const at::Tensor& x, const HiddenState& residual, const LayerNorm& norm,
                            const DropoutPlan& dropout) const {
    return residual_norm(x, residual.values, norm.weight.tensor, norm.bias.tensor, config_.layer_norm_epsilon,
                         dropout);
}

at::Tensor Encoder::forward(const Batch& batch, const DropoutKey* key, const OnState& on_state) const {
    const auto plan = [&](double p, std::int64_t layer, DropoutSite site) {
        return DropoutPlan{key == nullptr ? 0 : p, key == nullptr ? DropoutKey{} : *key, layer, site,
                           batch.packed};
    };
    HiddenState x;
    x.values = dropout(at::layer_norm(at::embedding(words_.tensor, batch.ids) +
                                          at::embedding(segments_.tensor, batch.segments) +
                                          at::embedding(positions_.tensor, batch.positions),
                                      {config_.hidden_size}, embedding_norm_.weight.tensor,
                                      embedding_norm_.bias.tensor, config_.layer_norm_epsilon),
                       plan(config_.hidden_dropout, 0, DropoutSite::embedding));
    x.rounded = x.values.to(precision_);
    if (on_state) on_state(0, x.values);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        const auto number = static_cast<std::int64_t>(i);
        const EncoderLayer layer =
            [this, &weights = layers_[i],
             attention = plan(config_.attention_dropout, number, DropoutSite::attention),
             attention_output = plan(config_.hidden_dropout, number, DropoutSite::attention_output),
             output =
                 plan(config_.hidden_dropout, number, DropoutSite::layer_output)](const HiddenState& in) {
                const at::Tensor attended = packed_attention(multiplied(in.rounded, weights.query_key_value),
                                                             config_.heads, attention);
                const HiddenState middle = normed(multiplied(attended, weights.attention_output), in,
                                                  weights.attention_norm, attention_output);
                const at::Tensor inner =
                    activate(multiplied(middle.rounded, weights.intermediate), config_.activation);
                return normed(multiplied(inner, weights.output), middle, weights.output_norm, output);
            };
        x = recompute_ && at::GradMode::is_enabled() ? recomputed(layer, x) : layer(x);
        if (on_state) on_state(number + 1, x.values);
    }
    return x.values;
}

std::vector<Parameter> Encoder::parameters() const {
    std::vector<Parameter> all{words_, positions_, segments_, embedding_norm_.weight, embedding_norm_.bias};
    for (const Layer& layer : layers_) {
        for (const Linear* linear : {&layer.query_key_value, &layer.attention_output}) {
            all.push_back(linear->weight);
            all.push_back(linear->bias);
        }
        all.push_back(layer.attention_norm.weight);
        all.push_back(layer.attention_norm.bias);
        for (const Linear* linear : {&layer.intermediate, &layer.output}) {
            all.push_back(linear->weight);
            all.push_back(linear->bias);
        }
        all.push_back(layer.output_norm.weight);
        all.push_back(layer.output_norm.bias);
    }
    return all;
}

}  // namespace bv
