#pragma once

#include <cstdint>
#include <cstring>

#include "random/dropout_bits.hpp"
#include "tensor/simd.hpp"

#ifdef BV_AVX512

namespace bv {

BV_AVX512_BEGIN

namespace simd {

/// The 16 `values` with the mask applied. `element` is the place of the first of them, counted from the first
/// element of the mask.
inline __m512 masked(__m512 values, const KeepBits& mask, std::int64_t element) {
    if (mask.bits.empty()) return values;
    const std::int64_t at = mask.offset + element;
    std::uint32_t word;
    std::memcpy(&word, mask.bits.data() + at / 8, sizeof(word));
    const auto kept = static_cast<__mmask16>(word >> (at % 8));
    return _mm512_maskz_mul_ps(kept, values, _mm512_set1_ps(mask.scale));
}

}  // namespace simd

BV_AVX512_END

}  // namespace bv

#endif
