#pragma once

// AVX-512 for bfloat16, under the conditions of tensor/simd.hpp.

#include <type_traits>

#include <c10/util/BFloat16.h>

#include "tensor/simd.hpp"

#ifdef BV_AVX512

namespace bv {

/// Whether the processor runs kernels for Element: float, or BFloat16, whose products need further
/// instructions.
template <typename Element>
bool has_avx512() {
    static const bool has =
        has_avx512() && (std::is_same_v<Element, float> || __builtin_cpu_supports("avx512bf16") > 0);
    return has;
}

BV_AVX512_BEGIN

namespace simd {

/// Loads and stores as in tensor/simd.hpp, and converts from and to bfloat16.
inline __m512 load(const c10::BFloat16* from, __mmask16 lanes = 0xFFFF) {
    return from_bfloat16(load_halves(from, lanes));
}

/// `values` as bfloat16, rounded to nearest even; subnormal numbers become 0.
inline __m256i narrowed(__m512 values) {
    return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(values));
}

inline void store(c10::BFloat16* to, __m512 values, __mmask16 lanes = 0xFFFF) {
    _mm256_mask_storeu_epi16(to, lanes, narrowed(values));
}

/// e^x to about 1 unit in the last place: 2^round(x / ln 2) times a polynomial (Cody and Waite 1980). Below
/// -87 it is 0.
inline __m512 exp(__m512 x) {
    const __m512 whole = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504F)),
                                              _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 rest = _mm512_fnmadd_ps(whole, _mm512_set1_ps(0.693359375F), x);
    rest = _mm512_fnmadd_ps(whole, _mm512_set1_ps(-2.12194440e-4F), rest);
    __m512 series = _mm512_set1_ps(1.9875691500e-4F);
    for (const float next :
         {1.3981999507e-3F, 8.3334519073e-3F, 4.1665795894e-2F, 1.6666665459e-1F, 5.0000001201e-1F}) {
        series = _mm512_fmadd_ps(series, rest, _mm512_set1_ps(next));
    }
    series = _mm512_fmadd_ps(series, _mm512_mul_ps(rest, rest), _mm512_add_ps(rest, _mm512_set1_ps(1.0F)));
    const __mmask16 large_enough = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.0F), _CMP_NLT_UQ);
    return _mm512_maskz_scalef_ps(large_enough, series, whole);
}

}  // namespace simd

BV_AVX512_END

}  // namespace bv

#endif
