#include "adapter/pools.hpp"

#include <ATen/ATen.h>

#include "core/error.hpp"

namespace bv {

Pool::Pool(const Context& context)
    : window_(context),
      channels_(context.input.channels),
      maximum_(context.definition.choice("of", {"average", "max"}) == "max") {
    if (window_.stride == 1 && window_.before != window_.after) {
        fail("{}: a pool of stride 1 and padding \"same\" needs an odd kernel", context.definition.place);
    }
}

at::Tensor Pool::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    const std::int64_t size[] = {1, window_.kernel};
    const std::int64_t stride[] = {1, window_.stride};
    const std::int64_t padding[] = {0, window_.before};
    // Ceil mode lets the last window stand over the end by the one value that it may get more than the first.
    const bool ceil = window_.same;
    return maximum_ ? at::max_pool2d(x, size, stride, padding, 1, ceil)
                    : at::avg_pool2d(x, size, stride, padding, ceil, false);
}

GlobalAveragePool::GlobalAveragePool(const Context& context) : channels_(context.input.channels) {
    context.require_channels();
}

at::Tensor GlobalAveragePool::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    return x.mean(3).transpose(1, 2);
}

}  // namespace bv
