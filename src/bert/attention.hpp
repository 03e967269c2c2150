#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "bert/batch.hpp"
#include "bert/dropout.hpp"

namespace bv {

/// Multi-head self-attention within each sequence of a packed batch: softmax(q k^T / sqrt(D)) v.
/// `query_key_value` is (N, 3 H), `heads` = A; returns (N, H). With `dropout` and p > 0 the probabilities are
/// dropped by the dropout law, drawn again in the backward pass. Differentiable.
at::Tensor packed_attention(const at::Tensor& query_key_value, const Batch& batch, std::int64_t heads,
                            std::int64_t layer, double p, const DropoutKey* dropout);

}  // namespace bv
