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

/// sum = dropped(x) + residual; output = LayerNorm(sum), and `rounded` the same as Element (not written if
/// null). `means` and `deviations` (a row each) get the rows' mean and 1 / sqrt(variance + epsilon). Needs
/// has_avx512.
template <typename Element>
void residual_norm(const NormRows<Element>& rows, const Element* x, const float* residual, const float* bias,
                   float epsilon, float* sum, float* output, Element* rounded, float* means,
                   float* deviations);

/// From the gradients of output and of rounded (either may be null) that of x and of the residual; adds to
/// those of weight and bias.
template <typename Element>
void residual_norm_backward(const NormRows<Element>& rows, const float* sum, const float* means,
                            const float* deviations, const float* output_gradient,
                            const Element* rounded_gradient, Element* x_gradient, float* residual_gradient,
                            float* weight_gradient, float* bias_gradient);

}  // namespace bv
