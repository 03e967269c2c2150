#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "heads/blocks/block.hpp"

namespace bv {

// Shapes below are those of one head: K of them have K in front, see BlockShape.

/// gamma * sum_l softmax(w)_l x_l (scalar mix, Tenney et al. 2019): (L, N, W) to (N, W). w ~ N(0, 0.05),
/// gamma = 1.
class LearnedPooling final : public Block {
  public:
    explicit LearnedPooling(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    bool reads_any_type() const override { return true; }
    BlockShape output() const override { return {0, input_.width}; }
    std::vector<NamedTensor> tensors() const override { return {{"weights", weights_}, {"gamma", gamma_}}; }
    std::vector<LayerWeights> layer_weights(std::int64_t k) const override;

  private:
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
/// up-projection): (L, N, W) to (L, N, width), by one Linear for all layers (`shared`, the default) or one
/// for each; (N, W) to (N, width) where no layers are left. Weights from a truncated normal of deviation
/// 1e-3, biases 0.
class Adapter final : public Block {
  public:
    explicit Adapter(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return {input_.channels, width_}; }
    std::vector<NamedTensor> tensors() const override { return {{"weight", weight_}, {"bias", bias_}}; }

  private:
    at::Tensor projected(const at::Tensor& x) const;

    BlockShape input_;
    std::int64_t width_;
    bool shared_;
    at::Tensor weight_;  // (K, width, W), or (K, L, width, W) unshared
    at::Tensor bias_;    // (K, width), or (K, L, width) unshared
};

/// All layers of a row side by side: (L, N, W) to (N, W * L), element w * L + l being layer l's element w.
class Flatten final : public Block {
  public:
    explicit Flatten(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return {0, input_.channels * input_.width}; }

  private:
    BlockShape input_;
};

/// The inverse of Flatten: (N, channels * W) to (channels, N, W). One channel makes an image of a vector, as
/// many as it is wide make a channel of each of its values.
class Unflatten final : public Block {
  public:
    explicit Unflatten(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return output_; }

  private:
    BlockShape output_;
};

/// The last state concatenated behind: (N, W) to (N, W + H).
class Skip final : public Block {
  public:
    explicit Skip(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return {0, width_}; }

  private:
    std::int64_t width_;
};

/// Linear(W -> width): (N, W) to (N, width). Weights Glorot uniform, biases 0.
class Linear final : public Block {
  public:
    explicit Linear(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return {0, weight_.size(1)}; }
    std::vector<NamedTensor> tensors() const override { return {{"weight", weight_}, {"bias", bias_}}; }

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
