#pragma once

#include <ATen/core/Tensor.h>

#include "heads/blocks/state_batch.hpp"
#include "heads/blocks/window.hpp"

namespace bv {

/// Convolutions of x (K, C, N, W), or (1, C, N, W) for all, with weights (K, F, C, tokens, kernel), and
/// biases (K, F) where they are defined: (K, F, N, outputs), a pixel's channels together in memory.
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    const Window& window, const StateBatch& batch);

/// The same of each channel for itself, with weights (K, C, 1, tokens, kernel): (K, C, N, outputs).
at::Tensor convolve_channels(const at::Tensor& x, const at::Tensor& weight, const Window& window,
                             const StateBatch& batch);

}  // namespace bv
