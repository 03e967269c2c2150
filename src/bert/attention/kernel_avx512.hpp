#pragma once

#include <cstdint>

#include "random/dropout_bits.hpp"

namespace bv {

/// One attention head of one sequence, in rows of an (N, 3 H) and of (N, H) arrays. Element is float or
/// BFloat16.
template <typename Element>
struct HeadRows {
    std::int64_t tokens;     ///< T
    std::int64_t head_size;  ///< D, a multiple of 16
    std::int64_t hidden;     ///< H: a row of queries, keys and values is 3 H long, one of outputs H
    const Element*
        query_key_value;   ///< this head's part of the first token's queries; keys H on, values 2 H on
    const KeepBits& mask;  ///< of this head's probabilities (T, T)
};

/// Whether this processor has the kernels below for `head_size`.
template <typename Element>
bool has_attention_kernel(std::int64_t head_size);

/// output (T rows of H) = dropped(softmax(q k^T / sqrt(D))) v. Products in Element with float sums,
/// everything else in float. `log_sums` (T) gets the logarithm of each softmax's denominator, for the
/// backward pass; it may be null.
template <typename Element>
void attend(const HeadRows<Element>& head, Element* output, float* log_sums);

/// The gradient of `query_key_value` (rows and place as there) from that of the output. The probabilities are
/// computed again from `log_sums` (Dao et al. 2022, FlashAttention).
template <typename Element>
void attend_backward(const HeadRows<Element>& head, const Element* output_gradient, const float* log_sums,
                     Element* query_key_value_gradient);

}  // namespace bv
