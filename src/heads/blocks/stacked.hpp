#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace bv {

// What K heads that are computed together do with values (K, ...), or (1, ...) if all heads have the same
// values. For one head (K = 1) the plain operation is used: it is faster than a batched operation of one
// item.

/// x, which is (1, ...) or (K, ...), as a view (K, ...).
at::Tensor for_each_head(const at::Tensor& x, std::int64_t heads);

/// The products of a (K, M, I) and b (K, I, O): (K, M, O).
at::Tensor products(const at::Tensor& a, const at::Tensor& b);

/// Adds the products of a (K, M, I) and b (K, I, O) to `sums` (K, M, O).
void add_products(const at::Tensor& sums, const at::Tensor& a, const at::Tensor& b);

/// x, which is (1, ..., I) or (K, ..., I), times the transposes of `weights` (K, O, I), plus `biases` (K,
/// O) if they are defined: (K, ..., O).
at::Tensor linears(const at::Tensor& x, const at::Tensor& weights, const at::Tensor& biases);

}  // namespace bv
