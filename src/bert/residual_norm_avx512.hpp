#pragma once

#include <cstdint>

#include "random/dropout_bits.hpp"

namespace bv {

/// Some rows of one sequence, in (N, H) arrays whose pointers stand at the first of them. Element is float or
/// BFloat16.
template <typename Element>
struct NormRows {
    std::int64_t rows;
    std::int64_t hidden;   ///< H
    const KeepBits& mask;  ///< of the rows' elements of x
    const float* weight;   ///< (H)
};

/// What the forward pass of some rows reads and writes.
template <typename Element>
struct NormForward {
    const Element* x;
    const float* residual;
    const float* bias;  ///< (H)
    float epsilon;
    float* sum;         ///< dropped(x) + residual
    float* output;      ///< LayerNorm(sum)
    Element* rounded;   ///< the same as Element; not written if null
    float* means;       ///< of each row
    float* deviations;  ///< of each row: 1 / sqrt(variance + epsilon)
};

/// What the backward pass of some rows reads and writes; names as in NormForward.
template <typename Element>
struct NormBackward {
    const float* sum;
    const float* means;
    const float* deviations;
    const float* output_gradient;     ///< may be null
    const Element* rounded_gradient;  ///< may be null
    Element* x_gradient;
    float* residual_gradient;
    float* weight_gradient;  ///< (H); added to
    float* bias_gradient;    ///< (H); added to
};

/// Both need has_avx512.
template <typename Element>
void residual_norm(const NormRows<Element>& rows, const NormForward<Element>& pass);

template <typename Element>
void residual_norm_backward(const NormRows<Element>& rows, const NormBackward<Element>& pass);

}  // namespace bv
