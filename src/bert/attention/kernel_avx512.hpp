#pragma once

#include <cstdint>

#include "random/dropout_bits.hpp"

namespace bv {

/// One attention head of one sequence. The arrays are (N, 3 H) for queries, keys and values, and (N, H) for
/// outputs. Element is float or BFloat16.
template <typename Element>
struct HeadRows {
    std::int64_t tokens;             ///< T
    std::int64_t head_size;          ///< D, a multiple of 16
    std::int64_t hidden;             ///< H
    const Element* query_key_value;  ///< this head's queries of the first token; its keys stand H later, its
                                     ///< values 2 H later
    const KeepBits& mask;            ///< of this head's probabilities (T, T)
};

/// Whether this processor has the kernels below for `head_size`.
template <typename Element>
bool has_attention_kernel(std::int64_t head_size);

/// output = dropped(softmax(q k^T / sqrt(D))) v. `output` points to this head's place in the first of T rows
/// of H. Products are in Element with float sums, everything else is in float. `log_sums` (T) gets the
/// logarithm of each softmax's denominator, for the backward pass; it may be null.
template <typename Element>
void attend(const HeadRows<Element>& head, Element* output, float* log_sums);

/// Computes the gradient of `query_key_value` from the gradient of the output. Both pointers stand at the
/// same places as those of the forward pass. The probabilities are computed again from `log_sums` (Dao et al.
/// 2022, FlashAttention).
template <typename Element>
void attend_backward(const HeadRows<Element>& head, const Element* output_gradient, const float* log_sums,
                     Element* query_key_value_gradient);

}  // namespace bv
