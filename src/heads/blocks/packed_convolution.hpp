#pragma once

#include <ATen/core/Tensor.h>

#include "heads/blocks/state_batch.hpp"
#include "heads/blocks/window.hpp"

namespace bv {

/// Convolves x (K, C, N, W), or (1, C, N, W) if all heads have the same x, with weights (K, F, C, tokens,
/// kernel) and biases (K, F), if these are defined. The result is (K, F, N, outputs); the channels of a
/// pixel are neighbours in memory. Sequences of `batch` do not see each other.
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    const Window& window, const StateBatch& batch);

/// Convolves each channel by itself, with weights (K, C, 1, tokens, kernel). The result is (K, C, N,
/// outputs).
at::Tensor convolve_channels(const at::Tensor& x, const at::Tensor& weight, const Window& window,
                             const StateBatch& batch);

}  // namespace bv
