#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "bert/batch.hpp"
#include "bert/config.hpp"
#include "bert/encoder.hpp"
#include "bert/parameter.hpp"
#include "core/task.hpp"
#include "random/dropout.hpp"

namespace bv {

/// What a model is loaded for, which decides what its folder must hold.
enum class Use {
    tuning,  ///< a head, and in the classification task a pooler, that the folder does not hold is new
    states,  ///< no head is needed; in the classification task the pooler is
    logits   ///< the task's head is needed, and in the classification task the pooler
};

/// BERT with the reference's head for a task: span, Linear(H -> 2) on every token's last state;
/// classification, Linear(H -> 2) on the pooled CLS, class 1 = no answer. New models have a pooler in both;
/// the span task does nothing with it.
class Model {
  public:
    /// New weights: N(0, initializer_range), zero biases, unit LayerNorm, drawn from `seed`.
    Model(const BertConfig& config, Task task, std::uint64_t seed);

    /// Any Hugging Face BERT folder (config.json, model.safetensors or its shards). What is new for tuning is
    /// drawn from `seed`. What the use does not need may be missing: a span model keeps a pooler where the
    /// folder holds one, a model for states has no head. Throws Error naming file and tensor: one
    /// that is needed and missing, half a head, another shape, values that are not finite.
    static Model load(const std::filesystem::path& folder, Task task, Use use, std::uint64_t seed = 0);

    /// Writes config.json and model.safetensors for Hugging Face's from_pretrained into an existing folder.
    void save(const std::filesystem::path& folder) const;

    /// As `save`, of the weights as they are now: holds a copy of them on the CPU; to be called later, on any
    /// thread. Returns the fingerprint of model.safetensors.
    std::function<std::string(const std::filesystem::path&)> snapshot() const;

    /// Moves all weights, and sets what the encoder's matrix products run in: float32 (as made) or bfloat16.
    /// Forbidden once a flat buffer holds the weights.
    void to(at::Device device, at::ScalarType precision);

    /// See Encoder::freeze.
    void freeze() { encoder_.freeze(); }

    /// See Encoder::recompute_layers.
    void recompute_layers(bool recompute) { encoder_.recompute_layers(recompute); }

    const BertConfig& config() const { return encoder_.config(); }
    Task task() const { return task_; }
    at::Device device() const;

    /// All parameters it has, pooler and head included, in the order of the forward pass.
    const std::vector<Parameter>& parameters() const { return parameters_; }

    /// Names of the weights that the folder given to `load` does not hold, so that they were drawn.
    const std::vector<std::string>& drawn() const { return drawn_; }

    /// Those the task trains: all but the pooler in the span task, which gets no gradient there.
    std::vector<Parameter> trainable() const;

    /// Number of elements of all parameters.
    std::int64_t parameter_count() const;

    /// All hidden states, L of (N, H): embedding output, then each layer's. Without dropout; under NoGrad if
    /// the caller wants no graph.
    std::vector<at::Tensor> states(const Batch& batch) const;

    /// The pooled CLS (B, H) of the last state (N, H): tanh(Linear(H -> H)).
    at::Tensor pooled(const Batch& batch, const at::Tensor& last_state) const;

    /// Logits: span (N, 2), start and end; classification (B, 2). With `dropout`, as in training.
    at::Tensor logits(const Batch& batch, const DropoutKey* dropout = nullptr) const;

    /// Loss of `logits`, SUMMED over the batch's sequences: span, CE(start) + CE(end) over the sequence's own
    /// tokens; classification, CE.
    at::Tensor loss(const Batch& batch, const at::Tensor& logits) const;

  private:
    void drop(const std::string& prefix);

    Task task_;
    Encoder encoder_;
    Parameter pooler_weight_;
    Parameter pooler_bias_;
    Parameter head_weight_;
    Parameter head_bias_;
    std::vector<Parameter> parameters_;
    std::vector<std::string> drawn_;
};

}  // namespace bv
