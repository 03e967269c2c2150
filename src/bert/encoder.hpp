#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "bert/batch.hpp"
#include "bert/config.hpp"
#include "bert/linear.hpp"
#include "bert/parameter.hpp"
#include "bert/residual_norm.hpp"
#include "random/dropout.hpp"

namespace bv {

/// BERT's embeddings and encoder layers (Devlin et al. 2019) over packed tokens.
class Encoder {
  public:
    explicit Encoder(const BertConfig& config);

    const BertConfig& config() const { return config_; }

    /// Matrix products run in `precision` (float32 or bfloat16) from now on; weights, gradients, sums,
    /// LayerNorm and hidden states stay float32.
    void multiply_in(at::ScalarType precision) { precision_ = precision; }

    /// Whether training keeps only each layer's input and computes the layer again in the backward pass: much
    /// less memory, a third more time, the same gradients.
    void recompute_layers(bool recompute) { recompute_ = recompute; }

    /// Weights, device and precision change no more, and no gradients are wanted: passes are faster from now
    /// on, for one more copy of the layers' weights.
    void freeze();

    /// Called with each hidden state (N, H) as it is made: 0 the embedding output, then each layer's output.
    using OnState = std::function<void(std::int64_t state, const at::Tensor& values)>;

    /// The last hidden state (N, H).
    at::Tensor forward(const Batch& batch, const DropoutKey* dropout, const OnState& on_state = {}) const;

    /// All parameters, in the order of the forward pass.
    std::vector<Parameter> parameters() const;

  private:
    struct LayerNorm {
        Parameter weight, bias;
    };
    struct Linear {
        Parameter weight, bias;
        FrozenLinear frozen = {};
    };
    struct Layer {
        Linear query_key_value, attention_output;
        LayerNorm attention_norm;
        Linear intermediate, output;
        LayerNorm output_norm;
    };

    at::Tensor multiplied(const at::Tensor& x, const Linear& linear) const;
    HiddenState normed(const at::Tensor& x, const HiddenState& residual, const LayerNorm& norm,
                       const DropoutPlan& dropout) const;

    BertConfig config_;
    at::ScalarType precision_ = at::kFloat;
    bool recompute_ = false;
    Parameter words_, positions_, segments_;
    LayerNorm embedding_norm_;
    std::vector<Layer> layers_;
};

}  // namespace bv
