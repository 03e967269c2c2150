#pragma once

#include <cstdint>

#include "heads/blocks/block.hpp"

namespace bv {

/// How a convolution or pool moves over an image (C, N, W), by the keys `kernel`, `tokens`, `stride`,
/// `dilation` and `padding` of its block. Along the width it follows Keras. "same" gives ceil(W / stride)
/// values; if the total padding is odd, the end gets one value more than the beginning. "valid" adds no
/// padding. Along the tokens, if `tokens` is above 1, every token has an output, and values outside its
/// sequence are zeros.
struct Window {
    /// Throws Error, which names the place, when the window does not fit the input of the block.
    explicit Window(const Block::Context& context);

    std::int64_t kernel;                 ///< how many values of the width it sees
    std::int64_t tokens;                 ///< how many rows it sees
    std::int64_t stride;                 ///< along the width
    std::int64_t dilation;               ///< along the width
    bool same;                           ///< padding "same"; otherwise "valid"
    std::int64_t before = 0, after = 0;  ///< padding of the width
    std::int64_t outputs;                ///< the width of the output
};

}  // namespace bv
