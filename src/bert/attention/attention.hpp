#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "random/dropout.hpp"

namespace bv {

/// Multi-head self-attention within each sequence of a packed batch: dropped(softmax(q k^T / sqrt(D))) v.
/// `query_key_value` is (N, 3 H), `heads` = A, `dropout.rows` bounds the sequences, `bounds` holds the same
/// as int32 (B + 1) in the input's memory, and `dropout` masks the probabilities (A, T, T) of each; returns
/// (N, H). Products run in the precision of the input, everything else in float32. Differentiable.
at::Tensor packed_attention(const at::Tensor& query_key_value, std::int64_t heads, const at::Tensor& bounds,
                            const DropoutPlan& dropout);

/// Whether flash attention has kernels, backward ones too, for heads of a size in a precision on a GPU of a
/// compute capability (80 = 8.0).
bool has_flash_attention(at::ScalarType precision, std::int64_t head_size, int capability);

/// Local: whether packed_attention computes by flash attention on `device`.
bool takes_flash_attention(at::Device device, at::ScalarType precision, std::int64_t head_size);

/// packed_attention by FlashAttention-2 (Dao 2023), where takes_flash_attention says so. Its kernel draws its
/// own mask, not that of the dropout law: a function of the plan and of the first example, the same each
/// time, but another for other batches.
at::Tensor flash_attention(const at::Tensor& query_key_value, std::int64_t heads, const at::Tensor& bounds,
                           const DropoutPlan& dropout);

/// packed_attention by plain operations on any device, whatever kernels it has.
at::Tensor plain_attention(const at::Tensor& query_key_value, std::int64_t heads, const DropoutPlan& dropout);

}  // namespace bv
