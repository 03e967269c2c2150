#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace bv {

// What K heads computed together do with values (K, ...), or (1, ...) where all of them have the same. A head
// by itself (K = 1) takes the plain operation, which is faster than a batched one of a single item.

/// x (1, ...) or (K, ...) as (K, ...): a view.
at::Tensor for_each_head(const at::Tensor& x, std::int64_t heads);

/// a (K, M, I) times b (K, I, O): (K, M, O).
at::Tensor products(const at::Tensor& a, const at::Tensor& b);

/// Adds a (K, M, I) times b (K, I, O) to `sums` (K, M, O).
void add_products(const at::Tensor& sums, const at::Tensor& a, const at::Tensor& b);

/// x (1, ..., I) or (K, ..., I) times the transposes of `weights` (K, O, I), plus `biases` (K, O) where they
/// are defined: (K, ..., O).
at::Tensor linears(const at::Tensor& x, const at::Tensor& weights, const at::Tensor& biases);

}  // namespace bv
