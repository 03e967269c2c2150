#include "adapter/window.hpp"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>

#include "core/error.hpp"

namespace bv {
namespace {

/// Where the rows of a batch stand in an image whose sequences lie `gap` rows apart.
at::Tensor spread_rows(const StateBatch& batch, std::int64_t gap, at::Device device) {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(batch.rows()));
    for (std::size_t b = 0; b + 1 < batch.starts.size(); ++b) {
        for (std::int64_t row = batch.starts[b]; row < batch.starts[b + 1]; ++row) {
            rows[static_cast<std::size_t>(row)] = row + static_cast<std::int64_t>(b) * gap;
        }
    }
    return at::tensor(rows, at::kLong).to(device);
}

}  // namespace

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
            fail("{}: block '{}' sees {} values at a time, but the width before it is {}",
                 context.definition.place, context.definition.type, reach, width);
        }
        outputs = (width - reach) / stride + 1;
    }
}

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    std::int64_t groups, const Window& window, const StateBatch& batch) {
    at::Tensor image = x;
    // Sequences stand a gap apart, which is the padding after one and before the next.
    const std::int64_t above = (window.tokens - 1) / 2;
    const std::int64_t gap = window.tokens - 1 - above;
    at::Tensor rows;
    if (window.tokens > 1) {
        rows = spread_rows(batch, gap, x.device());
        const std::int64_t height = above + batch.rows() + batch.sequences() * gap;
        image = at::zeros({x.size(0), height, x.size(2)}, x.options()).index_copy(1, rows + above, x);
    }
    std::int64_t padding[] = {0, window.before};
    if (window.before != window.after) {
        image = at::constant_pad_nd(image, {window.before, window.after});
        padding[1] = 0;
    }
    const std::int64_t stride[] = {1, window.stride};
    const std::int64_t dilation[] = {1, window.dilation};
    const at::Tensor y =
        at::conv2d(image.unsqueeze(0), weight, bias, stride, at::IntArrayRef(padding), dilation, groups)
            .squeeze(0);
    return window.tokens > 1 ? y.index_select(1, rows) : y;
}

}  // namespace bv
