#include "heads/blocks/packed_convolution.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <vector>

#include <ATen/ATen.h>

#include "heads/blocks/stacked.hpp"
#include "tensor/saved_value.hpp"

namespace bv {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The sizes of a convolution of K images: those of a padded image and of the kernel, how the kernel moves
/// over the width, and whether there is a bias.
struct Shape {
    std::int64_t images;
    std::int64_t rows, width, channels;
    std::int64_t filters, tokens, kernel;
    std::int64_t before, after;  // padding of the width
    std::int64_t stride, dilation;
    bool biased;

    std::int64_t outputs() const { return (width - (kernel - 1) * dilation - 1) / stride + 1; }
    std::int64_t rows_out() const { return rows - tokens + 1; }
    /// Whether each window is exactly one pixel, and each pixel has a window.
    bool pointwise() const { return kernel == 1 && stride == 1; }
};

at::Tensor padded(const at::Tensor& image, const Shape& s) {
    if (s.before + s.after == 0) return image.contiguous();
    at::Tensor wider = at::zeros({s.images, s.rows, s.width, s.channels}, image.options());
    wider.narrow(2, s.before, image.size(2)).copy_(image);
    return wider;
}

/// The values `first` to `first + count` of each window: (K, rows, outputs, count, C), a view of the image
/// (K, rows, W, C).
at::Tensor windows(const at::Tensor& image, const Shape& s, std::int64_t first, std::int64_t count) {
    return image.as_strided({s.images, s.rows, s.outputs(), count, s.channels},
                            {s.rows * s.width * s.channels, s.width * s.channels, s.stride * s.channels,
                             s.dilation * s.channels, 1},
                            image.storage_offset() + first * s.dilation * s.channels);
}

/// The windows that lie `token` rows below those of the outputs: (K, rows_out * outputs, kernel * C), a
/// view of the unfolded images.
at::Tensor below(const at::Tensor& unfolded, const Shape& s, std::int64_t token) {
    return unfolded.narrow(1, token * s.outputs(), s.rows_out() * s.outputs());
}

/// The transpose of unfolding: each pixel is the sum of the values of all windows that contain it.
at::Tensor fold(const at::Tensor& unfolded, const Shape& s) {
    if (s.pointwise()) return unfolded.view({s.images, s.rows, s.width, s.channels});
    at::Tensor image = at::zeros({s.images, s.rows, s.width, s.channels}, unfolded.options());
    const at::Tensor values = unfolded.view({s.images, s.rows, s.outputs(), s.kernel, s.channels});
    // As long as each window writes only so many values at a time, no two windows write to the same pixel.
    const std::int64_t apart = s.stride / std::gcd(s.stride, s.dilation);
    for (std::int64_t first = 0; first < s.kernel; first += apart) {
        const std::int64_t count = std::min(apart, s.kernel - first);
        windows(image, s, first, count).add_(values.narrow(3, first, count));
    }
    return image;
}

/// Convolves images (K, rows, W, C), or (1, rows, W, C), with K weights (K, F, C, tokens, kernel), by
/// matrix products over the unfolded rows: (K, rows - tokens + 1, outputs, F). A kernel of several tokens
/// is a sum of products, one for each row of the kernel.
class ImageProducts : public torch::autograd::Function<ImageProducts> {
  public:
    static at::Tensor forward(AutogradContext* context, const at::Tensor& image, const at::Tensor& weight,
                              const std::optional<at::Tensor>& bias, const Window& window) {
        const Shape s{.images = image.size(0),
                      .rows = image.size(1),
                      .width = window.before + image.size(2) + window.after,
                      .channels = image.size(3),
                      .filters = weight.size(1),
                      .tokens = window.tokens,
                      .kernel = window.kernel,
                      .before = window.before,
                      .after = window.after,
                      .stride = window.stride,
                      .dilation = window.dilation,
                      .biased = bias.has_value()};
        const std::int64_t heads = weight.size(0);
        const at::Tensor unfolded = for_each_head(
            windows(padded(image, s), s, 0, s.kernel).reshape({s.images, -1, s.kernel * s.channels}), heads);
        const at::Tensor factors =  // (tokens, K, kernel * C, F)
            weight.permute({3, 0, 4, 2, 1}).reshape({s.tokens, heads, s.kernel * s.channels, s.filters});
        context->save_for_backward({unfolded, factors});
        save_value(*context, s);
        const at::Tensor rows = below(unfolded, s, 0);
        at::Tensor y;
        if (bias) {
            y = bias->unsqueeze(1)
                    .expand({heads, rows.size(1), s.filters})
                    .clone(at::MemoryFormat::Contiguous);
            add_products(y, rows, factors[0]);
        } else {
            y = products(rows, factors[0]);
        }
        for (std::int64_t token = 1; token < s.tokens; ++token) {
            add_products(y, below(unfolded, s, token), factors[token]);
        }
        return y.view({heads, s.rows_out(), s.outputs(), s.filters});
    }

    static variable_list backward(AutogradContext* context, const variable_list& gradients) {
        const auto saved = context->get_saved_variables();
        const at::Tensor &unfolded = saved[0], &factors = saved[1];
        const auto& s = saved_value<Shape>(*context);
        const std::int64_t heads = factors.size(1);
        const at::Tensor gradient = gradients[0].reshape({heads, -1, s.filters});
        std::vector<at::Tensor> of_factors;
        for (std::int64_t token = 0; token < s.tokens; ++token) {
            of_factors.push_back(products(below(unfolded, s, token).transpose(1, 2), gradient));
        }
        const at::Tensor of_weight = at::stack(of_factors)
                                         .view({s.tokens, heads, s.kernel, s.channels, s.filters})
                                         .permute({1, 4, 3, 0, 2});
        at::Tensor of_image;
        if (context->needs_input_grad(0)) {
            at::Tensor of_unfolded;
            if (s.tokens == 1) {
                of_unfolded = products(gradient, factors[0].transpose(1, 2));
            } else {
                of_unfolded = at::zeros(unfolded.sizes(), unfolded.options());
                for (std::int64_t token = 0; token < s.tokens; ++token) {
                    add_products(below(of_unfolded, s, token), gradient, factors[token].transpose(1, 2));
                }
            }
            if (s.images < heads) of_unfolded = of_unfolded.sum(0, /*keepdim=*/true);
            of_image = fold(of_unfolded, s).narrow(2, s.before, s.width - s.before - s.after);
        }
        at::Tensor of_bias;
        if (s.biased) of_bias = gradient.sum(1);
        return {of_image, of_weight, of_bias, {}};
    }
};

/// Convolves each channel of images (1, N, W, C) or (K, N, W, C) by itself: (K, N, outputs, C).
at::Tensor channels_of_rows(const at::Tensor& image, const at::Tensor& weight, const Window& window) {
    const std::int64_t heads = weight.size(0);
    const std::int64_t channels = weight.size(1);
    // The channels of all heads form one image, in which the values of a pixel are neighbours. at::conv2d
    // sees that from its strides.
    const at::Tensor one =
        at::constant_pad_nd(for_each_head(image, heads), {0, 0, window.before, window.after})
            .permute({1, 2, 0, 3})
            .flatten(2)
            .unsqueeze(0)
            .permute({0, 3, 1, 2});
    return at::conv2d(one, weight.flatten(0, 1), {}, {1, window.stride}, at::IntArrayRef({0, 0}),
                      {1, window.dilation}, heads * channels)
        .permute({0, 2, 3, 1})
        .squeeze(0)
        .unflatten(2, {heads, channels})
        .permute({2, 0, 1, 3});
}

/// The sequences of images (K, N, W, C), with zeros between them: `above` rows before the first sequence
/// and `gap` rows after each.
at::Tensor spread(const at::Tensor& image, const std::vector<std::int64_t>& lengths, std::int64_t above,
                  std::int64_t gap) {
    const auto zeros = [&](std::int64_t rows) {
        return at::zeros({image.size(0), rows, image.size(2), image.size(3)}, image.options());
    };
    const at::Tensor between = zeros(gap);
    std::vector<at::Tensor> parts{zeros(above)};
    for (const at::Tensor& sequence : image.split_with_sizes(lengths, 1)) {
        parts.push_back(sequence);
        parts.push_back(between);
    }
    return at::cat(parts, 1);
}

/// Takes the sequences, which stand `gap` rows apart, and leaves out the rows between them.
at::Tensor gather(const at::Tensor& image, const std::vector<std::int64_t>& lengths, std::int64_t gap) {
    std::vector<std::int64_t> parts;
    for (const std::int64_t length : lengths) {
        parts.push_back(length);
        parts.push_back(gap);
    }
    parts.pop_back();
    std::vector<at::Tensor> sequences;
    const std::vector<at::Tensor> all = image.split_with_sizes(parts, 1);
    for (std::size_t i = 0; i < all.size(); i += 2) sequences.push_back(all[i]);
    return at::cat(sequences, 1);
}

/// Applies `convolve_rows`, which takes and gives images (K, N, W, C), to x (1, C, N, W) or (K, C, N, W),
/// so that sequences do not see each other.
at::Tensor convolve_each(const at::Tensor& x, const Window& window, const StateBatch& batch,
                         const std::function<at::Tensor(const at::Tensor&)>& convolve_rows) {
    at::Tensor image = x.permute({0, 2, 3, 1});
    if (window.tokens > 1) {
        // Between two sequences there is one gap: it is the padding after the one and before the other.
        const std::int64_t above = (window.tokens - 1) / 2;
        const std::int64_t gap = window.tokens - 1 - above;
        const std::vector<std::int64_t> lengths = batch.packed->lengths();
        image = gather(convolve_rows(spread(image, lengths, above, gap)), lengths, gap);
    } else {
        image = convolve_rows(image);
    }
    return image.permute({0, 3, 1, 2});
}

}  // namespace

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                    const Window& window, const StateBatch& batch) {
    // On CPUs at::conv2d is slower than plain products for these narrow, widely spaced kernels. On GPUs it
    // would make a new plan for every number of rows.
    return convolve_each(x, window, batch, [&](const at::Tensor& image) -> at::Tensor {
        return ImageProducts::apply(image, weight, bias.defined() ? std::optional(bias) : std::nullopt,
                                    window);
    });
}

at::Tensor convolve_channels(const at::Tensor& x, const at::Tensor& weight, const Window& window,
                             const StateBatch& batch) {
    return convolve_each(x, window, batch,
                         [&](const at::Tensor& image) { return channels_of_rows(image, weight, window); });
}

}  // namespace bv
