#include "heads/blocks/pools.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.hpp"
#include "tensor/saved_value.hpp"

namespace bv {
namespace {

/// How the windows of a pool lie along the width: window o begins at value o * stride - before.
struct Windows {
    std::int64_t kernel, stride, before;
    bool ceil;  ///< whether the last window may reach beyond the end
};

/// The gradient of x (..., W), when the result holds only the maxima (..., O) of its windows. Each value
/// gathers the gradients of the windows that see it, in the order of the windows. On a GPU Torch's own
/// kernel scatters them by atomic additions, so that overlapping windows give other bits each time.
/// `places` (..., O) says which value of its window each maximum was.
at::Tensor gradient_of_maxima(const at::Tensor& gradient, const at::Tensor& places, std::int64_t width,
                              const Windows& windows) {
    std::vector<std::int64_t> shape = gradient.sizes().vec();
    const std::int64_t outputs = std::exchange(shape.back(), width);
    at::Tensor sums = at::zeros(shape, gradient.options());
    for (std::int64_t place = windows.kernel - 1; place >= 0; --place) {
        // The windows whose value at this place lies within the width.
        const std::int64_t shift = place - windows.before;
        const std::int64_t first = shift >= 0 ? 0 : (windows.stride - 1 - shift) / windows.stride;
        const std::int64_t end =
            shift >= width ? 0 : std::min(outputs, (width - 1 - shift) / windows.stride + 1);
        if (end <= first) continue;
        const std::int64_t begin = first * windows.stride + shift;
        const std::int64_t behind = (end - 1) * windows.stride + shift + 1;
        sums.slice(-1, begin, behind, windows.stride)
            .add_(at::where(places.slice(-1, first, end).eq(place), gradient.slice(-1, first, end), 0));
    }
    return sums;
}

class Maxima : public torch::autograd::Function<Maxima> {
  public:
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                              const Windows& windows) {
        const std::int64_t width = x.size(-1);
        auto [maxima, chosen] = at::max_pool2d_with_indices(x, {1, windows.kernel}, {1, windows.stride},
                                                            {0, windows.before}, 1, windows.ceil);
        // Torch numbers the values of a channel through all its rows. A place within a window needs fewer
        // bytes.
        const at::Tensor begins =
            at::arange(maxima.size(-1), chosen.options()).mul_(windows.stride).sub_(windows.before);
        context->save_for_backward({chosen.remainder_(width).sub_(begins).to(at::kShort)});
        save_value(*context, std::pair(width, windows));
        return maxima;
    }

    static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::tensor_list gradients) {
        const auto& [width, windows] = saved_value<std::pair<std::int64_t, Windows>>(*context);
        return {gradient_of_maxima(gradients[0], context->get_saved_variables()[0], width, windows), {}};
    }
};

}  // namespace

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
    // In ceil mode the last window may reach one value beyond the end, which is the one value more that the
    // padding there may have.
    const bool ceil = window_.same;
    return maximum_ ? Maxima::apply(x, Windows{window_.kernel, window_.stride, window_.before, ceil})
                    : at::avg_pool2d(x, size, stride, padding, ceil, false);
}

GlobalAveragePool::GlobalAveragePool(const Context& context) : channels_(context.input.channels) {
    context.require_channels();
}

at::Tensor GlobalAveragePool::forward(const at::Tensor& x, const Pass& /*pass*/) const {
    return x.mean(3).transpose(1, 2);
}

}  // namespace bv
