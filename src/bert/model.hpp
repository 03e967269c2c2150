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

/// The purpose for which a model is loaded. It decides which weights the folder must hold.
enum class Use {
    tuning,  ///< a head (and in classification a pooler) that the folder lacks is drawn
    states,  ///< needs no head; in the classification task it needs the pooler
    logits   ///< needs the task's head, and in the classification task the pooler
};

/// BERT with the reference's head for a task. Span: Linear(H -> 2) on the last state of every token.
/// Classification: Linear(H -> 2) on the pooled state of the CLS token; class 1 = no answer. New models
/// have a pooler for both tasks, but the span task does not use it.
class Model {
  public:
    /// New weights: N(0, initializer_range), zero biases, unit LayerNorm, drawn from `seed`.
    Model(const BertConfig& config, Task task, std::uint64_t seed);

    /// Loads any Hugging Face BERT folder (config.json, model.safetensors or its shards). For tuning, a
    /// missing head or pooler is drawn from `seed`. Weights that `use` does not need may be missing: a span
    /// model has a pooler only if the folder holds one, and a model for states has no head. Throws Error,
    /// which names file and tensor, if a needed tensor is missing, only a part of a head is there, a shape is
    /// wrong, or values are not finite.
    static Model load(const std::filesystem::path& folder, Task task, Use use, std::uint64_t seed = 0);

    /// Writes config.json and model.safetensors for Hugging Face's from_pretrained into an existing folder.
    /// Throws Error, which names the file.
    void save(const std::filesystem::path& folder) const;

    /// Returns a function that does what `save` does, with the weights as they are now. It holds a copy of
    /// them on the CPU, and may be called later, on any thread. It returns the fingerprint of
    /// model.safetensors.
    std::function<std::string(const std::filesystem::path&)> snapshot() const;

    /// Moves all weights to a device, and sets the precision of the encoder's matrix products: float32 (as
    /// after construction) or bfloat16. Must not be called once a flat buffer holds the weights.
    void to(at::Device device, at::ScalarType precision);

    /// See Encoder::freeze.
    void freeze() { encoder_.freeze(); }

    /// See Encoder::recompute_layers.
    void recompute_layers(bool recompute) { encoder_.recompute_layers(recompute); }

    const BertConfig& config() const { return encoder_.config(); }
    Task task() const { return task_; }
    at::Device device() const;

    /// All parameters, pooler and head included, in the order of the forward pass.
    const std::vector<Parameter>& parameters() const { return parameters_; }

    /// The names of the weights that were drawn because the folder given to `load` does not hold them.
    const std::vector<std::string>& drawn() const { return drawn_; }

    /// The parameters that the task trains: all of them, but in the span task not the pooler, which gets no
    /// gradient there.
    std::vector<Parameter> trainable() const;

    /// The number of values in all parameters.
    std::int64_t parameter_count() const;

    /// All L hidden states, each (N, H): the embedding output, then the output of each layer. Without
    /// dropout. Call it under NoGrad if no gradients are needed.
    std::vector<at::Tensor> states(const Batch& batch) const;

    /// The pooled CLS (B, H) of the last state (N, H): tanh(Linear(H -> H)).
    at::Tensor pooled(const Batch& batch, const at::Tensor& last_state) const;

    /// Logits: (N, 2) in the span task, start and end; (B, 2) in classification. Without dropout if `dropout`
    /// is null.
    at::Tensor logits(const Batch& batch, const DropoutKey* dropout = nullptr) const;

    /// The loss of `logits`, summed over the batch's sequences, not their mean. In the span task it is the
    /// cross-entropy of the start plus that of the end, over the sequence's own tokens; in classification it
    /// is the cross-entropy of the classes.
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
