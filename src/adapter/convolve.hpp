#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "adapter/state_batch.hpp"
#include "adapter/window.hpp"

namespace bv {

/// x (C, N, W) as at::conv2d and its like know an image, (1, C, N, W), and back: views, whose strides show
/// where a pixel's channels lie together in memory.
at::Tensor as_image(const at::Tensor& x);
at::Tensor from_image(const at::Tensor& image);

/// Convolution of x (C, N, W) with weight (F, C / groups, tokens, kernel), and a bias (F) where it is
/// defined: (F, N, outputs), a pixel's channels together in memory.
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    std::int64_t groups, const Window& window, const StateBatch& batch);

}  // namespace bv
