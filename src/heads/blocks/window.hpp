#pragma once

#include <cstdint>

#include "heads/blocks/block.hpp"

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

}  // namespace bv
