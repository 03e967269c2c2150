#pragma once

#include "heads/blocks/block.hpp"
#include "heads/blocks/window.hpp"

namespace bv {

// The shapes below are those of one head. K heads have K as their first dimension (see BlockShape).

/// Mean or maximum of the values that a window sees along the width: (C, N, W) to (C, N, outputs). As in
/// Keras, padding does not count.
class Pool final : public Block {
  public:
    explicit Pool(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return {channels_, window_.outputs}; }

  private:
    Window window_;
    std::int64_t channels_;
    bool maximum_;
};

/// Mean over the width: (C, N, W) to (N, C).
class GlobalAveragePool final : public Block {
  public:
    explicit GlobalAveragePool(const Context& context);
    at::Tensor forward(const at::Tensor& x, const Pass& pass) const override;
    BlockShape output() const override { return {0, channels_}; }

  private:
    std::int64_t channels_;
};

}  // namespace bv
