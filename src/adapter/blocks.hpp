#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "adapter/block.hpp"

namespace bv {

/// gamma * sum_l softmax(w)_l x_l (scalar mix, Tenney et al. 2019): (L, N, W) to (N, W), without a copy of x.
/// w ~ N(0, 0.05), gamma = 1.
class LearnedPooling final : public Block {
  public:
    explicit LearnedPooling(const Context& context);
    at::Tensor forward(const at::Tensor& x, const StateBatch& batch) const override;
    BlockShape output() const override { return {0, input_.width}; }
    std::vector<NamedTensor> parameters() const override {
        return {{"weights", weights_}, {"gamma", gamma_}};
    }
    std::optional<LayerWeights> layer_weights() const override;

  private:
    BlockShape input_;
    at::Tensor weights_;  // (L)
    at::Tensor gamma_;    // (1)
};

/// Mean over the layers: (L, N, W) to (N, W).
class AveragePooling final : public Block {
  public:
    explicit AveragePooling(const Context& context);
    at::Tensor forward(const at::Tensor& x, const StateBatch& batch) const override;
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
    at::Tensor forward(const at::Tensor& x, const StateBatch& batch) const override;
    BlockShape output() const override { return {input_.layers, width_}; }
    std::vector<NamedTensor> parameters() const override { return {{"weight", weight_}, {"bias", bias_}}; }

  private:
    BlockShape input_;
    std::int64_t width_;
    bool shared_;
    at::Tensor weight_;  // (width, W), or (L, width, W) unshared
    at::Tensor bias_;    // (width), or (L, width) unshared
};

/// All layers of a row side by side: (L, N, W) to (N, W * L), element w * L + l being layer l's element w.
class Flatten final : public Block {
  public:
    explicit Flatten(const Context& context);
    at::Tensor forward(const at::Tensor& x, const StateBatch& batch) const override;
    BlockShape output() const override { return {0, input_.layers * input_.width}; }

  private:
    BlockShape input_;
};

/// The last state concatenated behind: (N, W) to (N, W + H).
class Skip final : public Block {
  public:
    explicit Skip(const Context& context);
    at::Tensor forward(const at::Tensor& x, const StateBatch& batch) const override;
    BlockShape output() const override { return {0, width_}; }

  private:
    std::int64_t width_;
};

/// Linear(W -> width): (N, W) to (N, width). Weights Glorot uniform, biases 0.
class Linear final : public Block {
  public:
    explicit Linear(const Context& context);
    at::Tensor forward(const at::Tensor& x, const StateBatch& batch) const override;
    BlockShape output() const override { return {0, weight_.size(0)}; }
    std::vector<NamedTensor> parameters() const override { return {{"weight", weight_}, {"bias", bias_}}; }

  private:
    at::Tensor weight_;  // (width, W)
    at::Tensor bias_;    // (width)
};

}  // namespace bv
