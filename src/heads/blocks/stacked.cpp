#include "heads/blocks/stacked.hpp"

#include <optional>
#include <vector>

#include <ATen/ATen.h>

#include "tensor/saved_value.hpp"

namespace bv {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// x (K, M, I) times the transposes of weights (K, O, I), plus biases (K, O): (K, M, O). The gradient of
/// at::baddbmm is not used: it computes the gradient of the transposed weights, which is slower and has to
/// be transposed again.
class BatchedLinear : public torch::autograd::Function<BatchedLinear> {
  public:
    static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weights,
                              const std::optional<at::Tensor>& biases) {
        context->save_for_backward({x, weights});
        save_value(*context, biases.has_value());
        const at::Tensor factors = weights.transpose(1, 2);
        return biases ? at::baddbmm(biases->unsqueeze(1), x, factors) : at::bmm(x, factors);
    }

    static variable_list backward(AutogradContext* context, const variable_list& gradients) {
        const auto saved = context->get_saved_variables();
        const at::Tensor gradient = gradients[0].contiguous();
        return {at::bmm(gradient, saved[1]), at::bmm(gradient.transpose(1, 2), saved[0]),
                saved_value<bool>(*context) ? gradient.sum(1) : at::Tensor()};
    }
};

}  // namespace

at::Tensor for_each_head(const at::Tensor& x, std::int64_t heads) {
    if (x.size(0) == heads) return x;
    std::vector<std::int64_t> sizes = x.sizes().vec();
    sizes.front() = heads;
    return x.expand(sizes);
}

at::Tensor products(const at::Tensor& a, const at::Tensor& b) {
    return a.size(0) == 1 ? at::mm(a[0], b[0]).unsqueeze(0) : at::bmm(a, b);
}

void add_products(const at::Tensor& sums, const at::Tensor& a, const at::Tensor& b) {
    if (a.size(0) == 1) {
        sums[0].addmm_(a[0], b[0]);
    } else {
        sums.baddbmm_(a, b);
    }
}

at::Tensor linears(const at::Tensor& x, const at::Tensor& weights, const at::Tensor& biases) {
    const std::int64_t heads = weights.size(0);
    const std::int64_t outputs = weights.size(1);
    if (heads == 1) return at::linear(x, weights[0], biases.defined() ? biases[0] : at::Tensor());
    if (x.size(0) == 1) {
        // One product that is as wide as those of all heads together.
        const at::Tensor bias = biases.defined() ? biases.flatten() : at::Tensor();
        return at::linear(x[0], weights.flatten(0, 1), bias)
            .unflatten(-1, {heads, outputs})
            .movedim(-2, 0)
            .contiguous();
    }
    std::vector<std::int64_t> sizes = x.sizes().vec();
    sizes.back() = outputs;
    return BatchedLinear::apply(x.reshape({heads, -1, x.size(-1)}), weights,
                                biases.defined() ? std::optional(biases) : std::nullopt)
        .view(sizes);
}

}  // namespace bv
