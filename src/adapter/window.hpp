#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "adapter/block.hpp"

namespace bv {

/// How a convolution or pool runs over an image (C, N, W), by the keys `kernel`, `tokens`, `stride`,
/// `dilation` and `padding` of its block. Along the width as Keras does: "same" gives ceil(W / stride)
/// values, and where the padding that needs is odd, the end gets one more than the beginning; "valid" pads
/// nothing. Along the tokens, where `tokens` exceeds 1, always one output a token, with zeros for what lies
/// outside its sequence.
struct Window {
    /// Throws Error naming the place when the window does not fit what comes before it.
    explicit Window(const Block::Context& context);

    std::int64_t kernel;                 ///< values it sees of the width
    std::int64_t tokens;                 ///< rows it sees
    std::int64_t stride;                 ///< along the width
    std::int64_t dilation;               ///< along the width
    bool same;                           ///< padding
    std::int64_t before = 0, after = 0;  ///< padding of the width
    std::int64_t outputs;                ///< width of what comes out
};

/// Convolution of x (C, N, W) with weight (F, C / groups, tokens, kernel), and a bias (F) where it is
/// defined: (F, N, outputs).
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    std::int64_t groups, const Window& window, const StateBatch& batch);

}  // namespace bv
