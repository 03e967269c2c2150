#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "bert/dropout.hpp"

namespace bv {

/// Multi-head self-attention within each sequence of a packed batch: dropped(softmax(q k^T / sqrt(D))) v.
/// `query_key_value` is (N, 3 H), `heads` = A, `dropout.rows` bounds the sequences and `dropout` masks the
/// probabilities (A, T, T) of each; returns (N, H). Products run in the precision of the input, everything
/// else in float32. Differentiable.
at::Tensor packed_attention(const at::Tensor& query_key_value, std::int64_t heads,
                            const DropoutPlan& dropout);

/// The same by plain operations on any device, whatever kernels it has.
at::Tensor plain_attention(const at::Tensor& query_key_value, std::int64_t heads, const DropoutPlan& dropout);

}  // namespace bv
