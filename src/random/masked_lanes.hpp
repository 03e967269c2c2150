#pragma once

#include <cstdint>
#include <cstring>

#include "random/dropout_bits.hpp"
#include "tensor/simd.hpp"

#ifdef BV_AVX512

namespace bv {

BV_AVX512_BEGIN

namespace simd {

/// `values` of 16 elements, the first of which is `element` counted from the mask's own first, with it
/// applied.
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
