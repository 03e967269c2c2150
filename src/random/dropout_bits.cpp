#include "random/dropout_bits.hpp"

#include "tensor/simd_bfloat16.hpp"

namespace bv {
namespace {

constexpr std::int64_t kHalves = kPhiloxGroup / kPhiloxLanes;

void draw_plainly(const DropoutStream& stream, std::int64_t group, std::uint8_t* bits) {
    std::uint16_t halves[kHalves] = {};
    for (std::int64_t lane = 0; lane < kPhiloxLanes; ++lane) {
        const PhiloxWords drawn = philox(stream, static_cast<std::uint32_t>(group * kPhiloxLanes + lane));
        for (int half = 0; half < kHalves; ++half) {
            if (half_word(drawn, half) >= stream.threshold)
                halves[half] = static_cast<std::uint16_t>(halves[half] | 1U << lane);
        }
    }
    for (int half = 0; half < kHalves; ++half) {
        bits[2 * half] = static_cast<std::uint8_t>(halves[half]);
        bits[2 * half + 1] = static_cast<std::uint8_t>(halves[half] >> 8);
    }
}

#ifdef BV_AVX512
BV_AVX512_BEGIN

/// A register that holds the same word 16 times.
inline __m512i words_of(std::uint32_t value) {
    return _mm512_set1_epi32(static_cast<int>(value));
}

/// The high and low words of 16 products with the same multiplier.
inline void multiply(__m512i x, __m512i multiplier, __m512i& high, __m512i& low) {
    const __m512i even = _mm512_mul_epu32(x, multiplier);
    const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(x, 32), multiplier);
    high = _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xAAAA, odd);
    low = _mm512_mask_mov_epi32(even, 0xAAAA, _mm512_slli_epi64(odd, 32));
}

/// Draws the bits of one group. Its 16 counters fill one register.
void draw_by_avx512(const DropoutStream& stream, std::int64_t group, std::uint8_t* bits) {
    const __m512i multiplier0 = _mm512_set1_epi64(kPhiloxMultiplier0);
    const __m512i multiplier1 = _mm512_set1_epi64(kPhiloxMultiplier1);
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i c0 = _mm512_add_epi32(lanes, words_of(static_cast<std::uint32_t>(group * kPhiloxLanes)));
    __m512i c1 = words_of(stream.c1);
    __m512i c2 = words_of(stream.c2);
    __m512i c3 = words_of(stream.c3);
    std::uint32_t key0 = stream.key0;
    std::uint32_t key1 = stream.key1;
    for (int round = 0; round < kPhiloxRounds; ++round) {
        __m512i high0, low0, high1, low1;
        multiply(c0, multiplier0, high0, low0);
        multiply(c2, multiplier1, high1, low1);
        c0 = _mm512_ternarylogic_epi32(high1, c1, words_of(key0), 0x96);  // xor of three
        c2 = _mm512_ternarylogic_epi32(high0, c3, words_of(key1), 0x96);
        c1 = low1;
        c3 = low0;
        key0 += kPhiloxWeyl0;
        key1 += kPhiloxWeyl1;
    }
    // 16 bits are compared as the high half of a 32-bit word, so that only one of the two halves needs a
    // shift.
    const __m512i threshold = words_of(stream.threshold << 16);
    const __m512i words[4] = {c0, c1, c2, c3};
    for (int half = 0; half < kHalves; ++half) {
        const __m512i drawn = half % 2 == 0 ? _mm512_slli_epi32(words[half / 2], 16) : words[half / 2];
        const __mmask16 kept = _mm512_cmpge_epu32_mask(drawn, threshold);
        std::memcpy(bits + 2 * half, &kept, sizeof(kept));
    }
}

BV_AVX512_END
#endif

}  // namespace

void draw_keep_bits(const DropoutStream& stream, std::int64_t first, std::int64_t last, std::uint8_t* bits) {
    auto* draw = &draw_plainly;
#ifdef BV_AVX512
    if (has_avx512<float>()) draw = &draw_by_avx512;
#endif
    for (std::int64_t group = first; group < last; ++group, bits += kPhiloxGroup / 8)
        draw(stream, group, bits);
}

KeepBits::KeepBits(const DropoutStream& stream, std::int64_t begin, std::int64_t end) {
    const std::int64_t first = begin / kPhiloxGroup;
    const std::int64_t last = (end + kPhiloxGroup - 1) / kPhiloxGroup;
    bits.resize(static_cast<std::size_t>((last - first) * kPhiloxGroup / 8 + 8));
    draw_keep_bits(stream, first, last, bits.data());
    offset = begin - first * kPhiloxGroup;
    scale = stream.scale;
}

}  // namespace bv
