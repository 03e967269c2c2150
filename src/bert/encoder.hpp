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

    /// From now on matrix products run in `precision` (float32 or bfloat16). Weights, gradients, sums,
    /// LayerNorm and hidden states stay float32.
    void multiply_in(at::ScalarType precision) { precision_ = precision; }

    /// Whether training keeps only the input of each layer and computes the layer again in the backward
    /// pass. This needs much less memory and a third more time, and gives the same gradients.
    void recompute_layers(bool recompute) { recompute_ = recompute; }

    /// Makes passes faster, at the cost of one more copy of the layers' weights. From now on weights,
    /// device and precision must not change, and no gradients can be computed.
    void freeze();

    /// A function that gets each hidden state (N, H) when it is made. State 0 is the output of the
    /// embeddings, state l the output of layer l.
    using OnState = std::function<void(std::int64_t state, const at::Tensor& values)>;

    /// Returns the last hidden state (N, H). `dropout` may be null: then nothing is dropped.
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
