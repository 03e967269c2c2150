#include "adapter/convolve.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <vector>

#include <ATen/ATen.h>

#include "optim/saved_value.hpp"

namespace bv {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// A convolution: the sizes of its padded image and kernel, how that runs over the width, and whether there
/// is a bias.
struct Shape {
    std::int64_t rows, width, channels;
    std::int64_t filters, tokens, kernel;
    std::int64_t before, after;  // padding within the width
    std::int64_t stride, dilation;
    bool biased;

    std::int64_t outputs() const { return (width - (kernel - 1) * dilation - 1) / stride + 1; }
    std::int64_t rows_out() const { return rows - tokens + 1; }
    /// Whether every window is one pixel, and every pixel a window.
    bool pointwise() const { return kernel == 1 && stride == 1; }
};

at::Tensor padded(const at::Tensor& image, const Shape& s) {
    if (s.before + s.after == 0) return image.contiguous();
    at::Tensor wider = at::zeros({s.rows, s.width, s.channels}, image.options());
    wider.narrow(1, s.before, image.size(1)).copy_(image);
    return wider;
}

/// The values `first` to `first + count` of each window: (rows, outputs, count, C), a view of image
/// (rows, W, C).
at::Tensor windows(const at::Tensor& image, const Shape& s, std::int64_t first, std::int64_t count) {
    return image.as_strided({s.rows, s.outputs(), count, s.channels},
                            {s.width * s.channels, s.stride * s.channels, s.dilation * s.channels, 1},
                            image.storage_offset() + first * s.dilation * s.channels);
}

/// The windows `token` rows below those of the outputs: (rows_out * outputs, kernel * C), a view of the
/// unfolded image.
at::Tensor below(const at::Tensor& unfolded, const Shape& s, std::int64_t token) {
    return unfolded.narrow(0, token * s.outputs(), s.rows_out() * s.outputs());
}

/// The transpose of unfolding: each pixel is the sum of the windows' values that saw it.
at::Tensor fold(const at::Tensor& unfolded, const Shape& s) {
    if (s.pointwise()) return unfolded.view({s.rows, s.width, s.channels});
    const at::Tensor image = at::zeros({s.rows, s.width, s.channels}, unfolded.options());
    const at::Tensor values = unfolded.view({s.rows, s.outputs(), s.kernel, s.channels});
    // So many values of a window meet none of them in another.
    const std::int64_t apart = s.stride / std::gcd(s.stride, s.dilation);
    for (std::int64_t first = 0; first < s.kernel; first += apart) {
        const std::int64_t count = std::min(apart, s.kernel - first);
        windows(image, s, first, count).add_(values.narrow(2, first, count));
    }
    return image;
}

/// Convolution of an image (rows, W, C) by matrix products over its unfolded rows: (rows - tokens + 1,
/// outputs, F). A kernel of several tokens is a sum of products, one for each of its rows.
class ImageProducts : public torch::autograd::Function<ImageProducts> {
  public:
    static at::Tensor forward(AutogradContext* context, const at::Tensor& image, const at::Tensor& weight,
                              const std::optional<at::Tensor>& bias, const Window& window) {
        const Shape s{.rows = image.size(0),
                      .width = window.before + image.size(1) + window.after,
                      .channels = image.size(2),
                      .filters = weight.size(0),
                      .tokens = window.tokens,
                      .kernel = window.kernel,
                      .before = window.before,
                      .after = window.after,
                      .stride = window.stride,
                      .dilation = window.dilation,
                      .biased = bias.has_value()};
        const at::Tensor unfolded =
            windows(padded(image, s), s, 0, s.kernel).reshape({-1, s.kernel * s.channels});
        const at::Tensor factors =
            weight.permute({2, 3, 1, 0}).reshape({s.tokens, s.kernel * s.channels, s.filters});
        context->save_for_backward({unfolded, factors});
        save_value(*context, s);
        at::Tensor y = bias ? at::addmm(*bias, below(unfolded, s, 0), factors[0])
                            : at::mm(below(unfolded, s, 0), factors[0]);
        for (std::int64_t token = 1; token < s.tokens; ++token) {
            y.addmm_(below(unfolded, s, token), factors[token]);
        }
        return y.view({s.rows_out(), s.outputs(), s.filters});
    }

    static variable_list backward(AutogradContext* context, const variable_list& gradients) {
        const auto saved = context->get_saved_variables();
        const at::Tensor &unfolded = saved[0], &factors = saved[1];
        const auto& s = saved_value<Shape>(*context);
        const at::Tensor gradient = gradients[0].reshape({-1, s.filters});
        std::vector<at::Tensor> of_factors;
        for (std::int64_t token = 0; token < s.tokens; ++token) {
            of_factors.push_back(at::mm(below(unfolded, s, token).t(), gradient));
        }
        const at::Tensor of_weight =
            at::stack(of_factors).view({s.tokens, s.kernel, s.channels, s.filters}).permute({3, 2, 0, 1});
        at::Tensor of_image;
        if (context->needs_input_grad(0)) {
            at::Tensor of_unfolded;
            if (s.tokens == 1) {
                of_unfolded = at::mm(gradient, factors[0].t());
            } else {
                of_unfolded = at::zeros_like(unfolded);
                for (std::int64_t token = 0; token < s.tokens; ++token) {
                    below(of_unfolded, s, token).addmm_(gradient, factors[token].t());
                }
            }
            of_image = fold(of_unfolded, s).narrow(1, s.before, s.width - s.before - s.after);
        }
        at::Tensor of_bias;
        if (s.biased) of_bias = gradient.sum(0);
        return {of_image, of_weight, of_bias, {}};
    }
};

/// The sequences of an image (N, W, C), zeros standing for `above` rows before the first and `gap` rows after
/// each.
at::Tensor spread(const at::Tensor& image, const std::vector<std::int64_t>& lengths, std::int64_t above,
                  std::int64_t gap) {
    const auto zeros = [&](std::int64_t rows) {
        return at::zeros({rows, image.size(1), image.size(2)}, image.options());
    };
    const at::Tensor between = zeros(gap);
    std::vector<at::Tensor> parts{zeros(above)};
    for (const at::Tensor& sequence : image.split_with_sizes(lengths)) {
        parts.push_back(sequence);
        parts.push_back(between);
    }
    return at::cat(parts);
}

/// The sequences of an image that stand `gap` rows apart, without what is between them.
at::Tensor gather(const at::Tensor& image, const std::vector<std::int64_t>& lengths, std::int64_t gap) {
    std::vector<std::int64_t> parts;
    for (const std::int64_t length : lengths) {
        parts.push_back(length);
        parts.push_back(gap);
    }
    parts.pop_back();
    std::vector<at::Tensor> sequences;
    const std::vector<at::Tensor> all = image.split_with_sizes(parts);
    for (std::size_t i = 0; i < all.size(); i += 2) sequences.push_back(all[i]);
    return at::cat(sequences);
}

at::Tensor convolve_rows(const at::Tensor& image, const at::Tensor& weight, const at::Tensor& bias,
                         std::int64_t groups, const Window& window) {
    // at::conv2d is slower on CPUs at these kernels, which are narrow and far apart, than plain products; on
    // GPUs it would plan anew for every number of rows.
    if (groups == 1) {
        return ImageProducts::apply(image, weight, bias.defined() ? std::optional(bias) : std::nullopt,
                                    window);
    }
    const at::Tensor padded = at::constant_pad_nd(image, {0, 0, window.before, window.after});
    return from_image(at::conv2d(as_image(padded.permute({2, 0, 1})), weight, bias, {1, window.stride},
                                 at::IntArrayRef({0, 0}), {1, window.dilation}, groups))
        .permute({1, 2, 0});
}

}  // namespace

at::Tensor as_image(const at::Tensor& x) {
    // Not x.unsqueeze(0): its first stride would hide that channels come last.
    return x.permute({1, 2, 0}).unsqueeze(0).permute({0, 3, 1, 2});
}

at::Tensor from_image(const at::Tensor& image) {
    return image.permute({0, 2, 3, 1}).squeeze(0).permute({2, 0, 1});  // for its gradient's strides
}

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    std::int64_t groups, const Window& window, const StateBatch& batch) {
    at::Tensor image = x.permute({1, 2, 0});
    if (window.tokens > 1) {
        // Sequences stand a gap apart, which is the padding after one and before the next.
        const std::int64_t above = (window.tokens - 1) / 2;
        const std::int64_t gap = window.tokens - 1 - above;
        std::vector<std::int64_t> lengths(batch.starts.size() - 1);
        std::adjacent_difference(batch.starts.begin() + 1, batch.starts.end(), lengths.begin());
        image = spread(image, lengths, above, gap);
        image = gather(convolve_rows(image, weight, bias, groups, window), lengths, gap);
    } else {
        image = convolve_rows(image, weight, bias, groups, window);
    }
    return image.permute({2, 0, 1});
}

}  // namespace bv
