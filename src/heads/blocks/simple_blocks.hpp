#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "heads/blocks/block.hpp"

namespace bv {

// The shapes below are those of one head. K heads have K as their first dimension (see BlockShape).

/// gamma * sum_l softmax(w)_l x_l (scalar mix, Tenney et al. 2019): (L, N, W) to (N, W). w starts from N(0,
/// 0.05), gamma at 1.
class LearnedPooling final : public Block {
  public:
    explicit LearnedPooling(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;

    /// Through a Linear of two outputs; see mixed_linear.hpp.
    at::Tensor forward_through(const Block& next, const at::Tensor& x) const override;
    bool reads_any_type() const override { return true; }
    BlockShape output() const override { return {0, input_.width}; }
    std::vector<NamedTensor> tensors() const override { return {{"weights", weights_}, {"gamma", gamma_}}; }
    std::vector<LayerWeights> layer_weights(std::int64_t k) const override;

  private:
    at::Tensor mixes() const;  // (K, L)

    BlockShape input_;
    at::Tensor weights_;  // (K, L)
    at::Tensor gamma_;    // (K, 1)
};

/// Mean over the layers: (L, N, W) to (N, W).
class AveragePooling final : public Block {
  public:
    explicit AveragePooling(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    bool reads_any_type() const override { return true; }
    BlockShape output() const override { return {0, input_.width}; }

  private:
    BlockShape input_;
};

/// Linear(W -> width) and tanh-approximated GELU on every layer (after Houlsby et al. 2019, without their
/// up-projection): (L, N, W) to (L, N, width). All layers share one Linear (`shared`, the default), or each
/// has its own. After a pooling there is one vector a row: (N, W) to (N, width). Weights start from a
/// truncated normal distribution with deviation 1e-3, biases at 0.
class Adapter final : public Block {
  public:
    explicit Adapter(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;

    /// Through a Flatten; see flat_gelu.hpp.
    at::Tensor forward_through(const Block& next, const at::Tensor& x) const override;
    BlockShape output() const override { return {input_.channels, width_}; }
    std::vector<NamedTensor> tensors() const override { return {{"weight", weight_}, {"bias", bias_}}; }

  private:
    at::Tensor projected(const at::Tensor& x) const;

    /// For x that all heads share: one product (for each layer, unless the Linear is shared) that is as wide
    /// as those of all heads together, (L, N, K, width) or (N, K, width).
    at::Tensor projected_together(const at::Tensor& x) const;

    BlockShape input_;
    std::int64_t width_;
    bool shared_;
    at::Tensor weight_;  // (K, width, W), or (K, L, width, W) unshared
    at::Tensor bias_;    // (K, width), or (K, L, width) unshared
};

/// Puts all layers of a row into one vector: (L, N, W) to (N, W * L). Element w * L + l is element w of
/// layer l.
class Flatten final : public Block {
  public:
    explicit Flatten(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return {0, input_.channels * input_.width}; }

  private:
    BlockShape input_;
};

/// The inverse of Flatten: (N, channels * W) to (channels, N, W). With one channel a vector becomes an
/// image of one channel; with as many channels as values each value becomes a channel. The constructor throws
/// Error, which names the place, if the channels do not divide the vector.
class Unflatten final : public Block {
  public:
    explicit Unflatten(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return output_; }

  private:
    BlockShape output_;
};

/// Appends the last hidden state to each row: (N, W) to (N, W + H).
class Skip final : public Block {
  public:
    explicit Skip(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return {0, width_}; }

  private:
    std::int64_t width_;
};

/// Linear(W -> width): (N, W) to (N, width). Weights start Glorot uniform, biases at 0.
class Linear final : public Block {
  public:
    explicit Linear(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return {0, weight_.size(1)}; }
    std::vector<NamedTensor> tensors() const override { return {{"weight", weight_}, {"bias", bias_}}; }

    const at::Tensor& weight() const { return weight_; }
    const at::Tensor& bias() const { return bias_; }

  private:
    at::Tensor weight_;  // (K, width, W)
    at::Tensor bias_;    // (K, width)
};

/// max(x, 0), or the tanh-approximated GELU, of every value.
class Activation final : public Block {
  public:
    explicit Activation(const Context& context)
        : shape_(context.input), relu_(context.definition.type == "relu") {}
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return shape_; }

  private:
    BlockShape shape_;
    bool relu_;
};

}  // namespace bv
