#pragma once

#include <cstdint>

#include "random/dropout_bits.hpp"

namespace bv {

/// Some rows of one sequence. The pointers into (N, H) arrays stand at the first of these rows. Element is
/// float or BFloat16.
template <typename Element>
struct NormRows {
    std::int64_t rows;
    std::int64_t hidden;   ///< H
    const KeepBits& mask;  ///< of the rows' elements of x
    const float* weight;   ///< (H)
};

/// The values that the forward pass of some rows reads and writes.
template <typename Element>
struct NormForward {
    const Element* x;
    const float* residual;
    const float* bias;  ///< (H)
    float epsilon;
    float* sum;         ///< dropped(x) + residual
    float* output;      ///< LayerNorm(sum)
    Element* rounded;   ///< the output as Element; not written if null
    float* means;       ///< of each row
    float* deviations;  ///< of each row: 1 / sqrt(variance + epsilon)
};

/// The values that the backward pass of some rows reads and writes, with the names of NormForward.
template <typename Element>
struct NormBackward {
    const float* sum;
    const float* means;
    const float* deviations;
    const float* output_gradient;     ///< may be null
    const Element* rounded_gradient;  ///< may be null
    Element* x_gradient;
    float* residual_gradient;
    float* weight_gradient;  ///< (H); the gradient is added to it
    float* bias_gradient;    ///< (H); the gradient is added to it
};

/// Both may be called only if has_avx512<Element>() is true.
template <typename Element>
void residual_norm(const NormRows<Element>& rows, const NormForward<Element>& pass);

template <typename Element>
void residual_norm_backward(const NormRows<Element>& rows, const NormBackward<Element>& pass);

}  // namespace bv
