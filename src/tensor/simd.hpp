#pragma once

// AVX-512 for kernels. A file that includes this one is compiled for any x86-64 processor. Only functions
// between BV_AVX512_BEGIN and BV_AVX512_END use AVX-512, and they may be called only if `has_avx512` is true.

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#define BV_AVX512 1
#include <immintrin.h>
#ifdef __clang__  // it ignores GCC's pragma
#define BV_PRAGMA(text) _Pragma(#text)
#define BV_AVX512_TARGET target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")
#define BV_AVX512_BEGIN \
    BV_PRAGMA(clang attribute push(__attribute__((BV_AVX512_TARGET)), apply_to = function))
#define BV_AVX512_END _Pragma("clang attribute pop")
#else
#define BV_AVX512_BEGIN \
    _Pragma("GCC push_options") _Pragma("GCC target(\"avx512f,avx512bw,avx512vl,avx512dq,avx512bf16\")")
#define BV_AVX512_END _Pragma("GCC pop_options")
#endif

namespace bv {

/// Whether the processor has the AVX-512 instructions that the kernels use, except those for products of
/// bfloat16.
inline bool has_avx512() {
    static const bool has = __builtin_cpu_supports("avx512f") > 0 && __builtin_cpu_supports("avx512bw") > 0 &&
                            __builtin_cpu_supports("avx512vl") > 0 && __builtin_cpu_supports("avx512dq") > 0;
    return has;
}

BV_AVX512_BEGIN

namespace simd {

inline constexpr std::int64_t kLanes = 16;

/// A mask of the first `count` lanes, of all 16 if `count` is larger.
inline __mmask16 first_lanes(std::int64_t count) {
    return count >= kLanes ? __mmask16{0xFFFF} : static_cast<__mmask16>((1U << count) - 1U);
}

/// Loads the lanes of `lanes` from memory; the others are 0, and their memory is not read.
inline __m512 load(const float* from, __mmask16 lanes = 0xFFFF) {
    return _mm512_maskz_loadu_ps(lanes, from);
}

/// 16-bit values as they lie in memory.
inline __m256i load_halves(const void* from, __mmask16 lanes = 0xFFFF) {
    return _mm256_maskz_loadu_epi16(lanes, from);
}

/// 16 bfloat16 or float16 values as floats; exact.
inline __m512 from_bfloat16(__m256i halves) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

inline __m512 from_float16(__m256i halves) {
    return _mm512_cvtph_ps(halves);
}

/// The factor for `load_float8`, from the scale at the beginning of a row of float8 (tensor/float8.hpp).
inline __m512 float8_factor(const void* scale) {
    float value = 0;
    std::memcpy(&value, scale, sizeof value);
    return _mm512_set1_ps(256 * value);
}

/// Loads 16 numbers of a row of float8 as floats. Each is its e4m3 times the row's scale, rounded once. e4m3
/// has one bit of exponent less than float16, and a bias that is smaller by 8. So the bits of e4m3, moved to
/// the places that they have in float16, mean 1/256 of the number; `factor` makes up for it.
inline __m512 load_float8(const void* from, __m512 factor, __mmask16 lanes = 0xFFFF) {
    const __m256i high = _mm256_slli_epi16(_mm256_cvtepu8_epi16(_mm_maskz_loadu_epi8(lanes, from)), 8);
    const __m256i half = _mm256_and_si256(_mm256_srai_epi16(high, 1),  // this doubles the bit of the sign
                                          _mm256_set1_epi16(static_cast<short>(0xBFFF)));
    return _mm512_mul_ps(from_float16(half), factor);
}

/// Stores the lanes of `lanes`; the memory of the others does not change.
inline void store(float* to, __m512 values, __mmask16 lanes = 0xFFFF) {
    _mm512_mask_storeu_ps(to, lanes, values);
}

}  // namespace simd

BV_AVX512_END

}  // namespace bv

#endif
