#include "heads/blocks/window.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace bv {

Window::Window(const Block::Context& context)
    : kernel(context.definition.positive("kernel", 1)),
      tokens(context.definition.positive("tokens", 1)),
      stride(context.definition.positive("stride", 1)),
      dilation(context.definition.positive("dilation", 1)),
      same(context.definition.choice("padding", {"same", "valid"}) == "same") {
    context.require_channels();
    const std::int64_t width = context.input.width;
    const std::int64_t reach = (kernel - 1) * dilation + 1;
    if (same) {
        outputs = (width + stride - 1) / stride;
        const std::int64_t padding = std::max<std::int64_t>((outputs - 1) * stride + reach - width, 0);
        before = padding / 2;
        after = padding - before;
    } else {
        if (reach > width) {
            fail("{}: block '{}' sees {} values at a time, but the width of its input is only {}",
                 context.definition.place, context.definition.type, reach, width);
        }
        outputs = (width - reach) / stride + 1;
    }
}

}  // namespace bv
