#include "bert/dropout_cpu.hpp"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bv {
namespace {

template <typename From, typename To>
void mask_plainly(const From* from, To* to, std::int64_t count, const DropoutStream& stream,
                  std::int64_t group) {
    for (std::int64_t lane = 0; lane < kPhiloxLanes; ++lane) {
        std::uint32_t words[4] = {static_cast<std::uint32_t>(group * kPhiloxLanes + lane), stream.c1,
                                  stream.c2, stream.c3};
        std::uint32_t key0 = stream.key0;
        std::uint32_t key1 = stream.key1;
        for (int round = 0; round < kPhiloxRounds; ++round) {
            philox_round(words[0], words[1], words[2], words[3], key0, key1);
            key0 += kPhiloxWeyl0;
            key1 += kPhiloxWeyl1;
        }
        for (int half = 0; half < 8; ++half) {
            const std::int64_t element = group * kPhiloxGroup + half * kPhiloxLanes + lane;
            if (element >= count) break;
            const std::uint32_t bits = words[half / 2] >> (16 * (half % 2)) & 0xFFFFU;
            to[element] = bits >= stream.threshold ? static_cast<float>(from[element]) * stream.scale : 0.0F;
        }
    }
}

#if defined(__x86_64__)
#define BV_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl"), always_inline)) inline

BV_AVX512 __m512 load(const float* from) {
    return _mm512_loadu_ps(from);
}

BV_AVX512 __m512 load(const c10::BFloat16* from) {
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

BV_AVX512 void store(float* to, __m512 values) {
    _mm512_storeu_ps(to, values);
}

/// Rounds to nearest even, as c10::BFloat16 does, but for NaN, whose payload may differ.
BV_AVX512 void store(c10::BFloat16* to, __m512 values) {
    const __m512i bits = _mm512_castps_si512(values);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
    const __mmask16 nan = _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q);
    const __m512i kept = _mm512_mask_mov_epi32(rounded, nan, _mm512_set1_epi32(0x7FC00000));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16)));
}

/// The high and low words of 16 products with the same multiplier.
BV_AVX512 void multiply(__m512i x, __m512i multiplier, __m512i& high, __m512i& low) {
    const __m512i even = _mm512_mul_epu32(x, multiplier);
    const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(x, 32), multiplier);
    high = _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xAAAA, odd);
    low = _mm512_mask_mov_epi32(even, 0xAAAA, _mm512_slli_epi64(odd, 32));
}

/// Whole groups only: 16 counters in a register.
template <typename From, typename To>
__attribute__((target("avx512f,avx512bw,avx512vl"))) void mask_by_avx512(const From* from, To* to,
                                                                         const DropoutStream& stream,
                                                                         std::int64_t first,
                                                                         std::int64_t last) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i multiplier0 = _mm512_set1_epi64(kPhiloxMultiplier0);
    const __m512i multiplier1 = _mm512_set1_epi64(kPhiloxMultiplier1);
    const auto word = [](std::uint32_t value) { return static_cast<int>(value); };
    const __m512 scale = _mm512_set1_ps(stream.scale);
    // 16 bits compare as the high half of a word: no shift for one half, one for the other.
    const __m512i threshold = _mm512_set1_epi32(word(stream.threshold << 16));
    for (std::int64_t group = first; group < last; ++group) {
        __m512i c0 = _mm512_add_epi32(
            lanes, _mm512_set1_epi32(word(static_cast<std::uint32_t>(group * kPhiloxLanes))));
        __m512i c1 = _mm512_set1_epi32(word(stream.c1));
        __m512i c2 = _mm512_set1_epi32(word(stream.c2));
        __m512i c3 = _mm512_set1_epi32(word(stream.c3));
        std::uint32_t key0 = stream.key0;
        std::uint32_t key1 = stream.key1;
        for (int round = 0; round < kPhiloxRounds; ++round) {
            __m512i high0, low0, high1, low1;
            multiply(c0, multiplier0, high0, low0);
            multiply(c2, multiplier1, high1, low1);
            c0 = _mm512_ternarylogic_epi32(high1, c1, _mm512_set1_epi32(word(key0)), 0x96);  // xor of three
            c2 = _mm512_ternarylogic_epi32(high0, c3, _mm512_set1_epi32(word(key1)), 0x96);
            c1 = low1;
            c3 = low0;
            key0 += kPhiloxWeyl0;
            key1 += kPhiloxWeyl1;
        }
        const __m512i words[4] = {c0, c1, c2, c3};
        for (int half = 0; half < 8; ++half) {
            const __m512i bits = half % 2 == 0 ? _mm512_slli_epi32(words[half / 2], 16) : words[half / 2];
            const __mmask16 keep = _mm512_cmpge_epu32_mask(bits, threshold);
            const std::int64_t at = group * kPhiloxGroup + half * kPhiloxLanes;
            store(to + at, _mm512_maskz_mul_ps(keep, load(from + at), scale));
        }
    }
}

bool has_avx512() {
    static const bool has = __builtin_cpu_supports("avx512f") > 0 && __builtin_cpu_supports("avx512bw") > 0 &&
                            __builtin_cpu_supports("avx512vl") > 0;
    return has;
}
#endif

}  // namespace

template <typename From, typename To>
void mask_on_cpu(const From* from, To* to, std::int64_t count, const DropoutStream& stream,
                 std::int64_t first, std::int64_t last) {
#if defined(__x86_64__)
    if (has_avx512()) {
        const std::int64_t whole = std::max(first, std::min(last, count / kPhiloxGroup));
        mask_by_avx512(from, to, stream, first, whole);
        first = whole;
    }
#endif
    for (std::int64_t group = first; group < last; ++group) mask_plainly(from, to, count, stream, group);
}

template void mask_on_cpu(const float*, float*, std::int64_t, const DropoutStream&, std::int64_t,
                          std::int64_t);
template void mask_on_cpu(const float*, c10::BFloat16*, std::int64_t, const DropoutStream&, std::int64_t,
                          std::int64_t);
template void mask_on_cpu(const c10::BFloat16*, float*, std::int64_t, const DropoutStream&, std::int64_t,
                          std::int64_t);

}  // namespace bv
