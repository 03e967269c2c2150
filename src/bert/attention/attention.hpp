#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "random/dropout.hpp"

namespace bv {

/// Multi-head self-attention within each sequence of a packed batch: dropped(softmax(q k^T / sqrt(D))) v.
/// `query_key_value` is (N, 3 H), and `heads` is A. `dropout` holds the sequences and masks the probabilities
/// (A, T, T) of each. Returns (N, H). Products run in the precision of the input, everything else in float32.
/// Differentiable.
at::Tensor packed_attention(const at::Tensor& query_key_value, std::int64_t heads,
                            const DropoutPlan& dropout);

/// Whether flash attention has kernels, also for the backward pass, for this head size and precision on a
/// GPU of this compute capability (80 = 8.0).
bool has_flash_attention(at::ScalarType precision, std::int64_t head_size, int capability);

/// Local: whether packed_attention computes by flash attention on `device`.
bool takes_flash_attention(at::Device device, at::ScalarType precision, std::int64_t head_size);

/// Computes packed_attention by FlashAttention-2 (Dao 2023). Call it only if takes_flash_attention is true.
/// Its kernel draws its own mask and not that of the dropout law. This mask is a function of the plan and
/// of the first example: it is the same each time, but differs between batches.
at::Tensor flash_attention(const at::Tensor& query_key_value, std::int64_t heads, const DropoutPlan& dropout);

/// Computes packed_attention by Torch's operations, on any device, without the kernels above.
at::Tensor plain_attention(const at::Tensor& query_key_value, std::int64_t heads, const DropoutPlan& dropout);

}  // namespace bv
