#include "adapter/stacked.hpp"

#include <vector>

#include <ATen/ATen.h>

namespace bv {

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
        // One as wide as all of them together.
        const at::Tensor bias = biases.defined() ? biases.flatten() : at::Tensor();
        return at::linear(x[0], weights.flatten(0, 1), bias).unflatten(-1, {heads, outputs}).movedim(-2, 0);
    }
    std::vector<std::int64_t> sizes = x.sizes().vec();
    sizes.back() = outputs;
    const at::Tensor rows = x.reshape({heads, -1, x.size(-1)});
    const at::Tensor factors = weights.transpose(1, 2);
    const at::Tensor y =
        biases.defined() ? at::baddbmm(biases.unsqueeze(1), rows, factors) : at::bmm(rows, factors);
    return y.view(sizes);
}

}  // namespace bv
