#pragma once

// Matrix products of the attention kernels. The factors are words of 32 bits: one float, or two BFloat16 that
// stand next to each other along the dimension that is summed. A product is C[m][n] += word(A[m][u]) *
// word(B[u][n]). A register holds 16 words of B.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "tensor/simd_bfloat16.hpp"

#ifdef BV_AVX512

namespace bv {

BV_AVX512_BEGIN

namespace simd {

using Word = std::int32_t;
template <typename Element>
inline constexpr std::int64_t kPerWord = static_cast<std::int64_t>(sizeof(Word) / sizeof(Element));

inline constexpr std::int64_t kRows = 6;     // rows of a tile of C that is kept in registers
inline constexpr std::int64_t kColumns = 4;  // columns of a tile, in registers of 16 elements

constexpr std::int64_t rounded_up(std::int64_t x, std::int64_t to) {
    return (x + to - 1) / to * to;
}

/// The word at `from`, which need not be aligned.
inline Word word_at(const void* from) {
    Word word;
    std::memcpy(&word, from, sizeof(word));
    return word;
}

/// `sum` plus the products of word `a` with each of the 16 words in `b`.
template <typename Element>
inline __m512 multiply_add(Word a, __m512i b, __m512 sum) {
    const __m512i all = _mm512_set1_epi32(a);
    if constexpr (std::is_same_v<Element, float>) {
        return _mm512_fmadd_ps(_mm512_castsi512_ps(all), _mm512_castsi512_ps(b), sum);
    } else {
        return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(all), reinterpret_cast<__m512bh>(b));
    }
}

/// The words of A[m][u] stand at words + m * row + u * unit (in words).
struct Left {
    const char* words;
    std::int64_t row;
    std::int64_t unit;
};

/// A row-major array with `columns` columns, a multiple of 16.
template <typename T>
struct Panel {
    T* data;
    std::int64_t columns;
};

/// R rows of C and V registers of its columns, over `units` words. C is overwritten.
template <typename Element, int R, int V>
inline void multiply_tile(const Left& a, Panel<const Word> b, std::int64_t units, Panel<float> c) {
    __m512 sums[R][V];
    for (auto& row : sums) {
        for (__m512& sum : row) sum = _mm512_setzero_ps();
    }
    const char* left = a.words;
    const Word* right = b.data;
    for (std::int64_t u = 0; u < units; ++u, left += 4 * a.unit, right += b.columns) {
        __m512i values[V];
        for (int v = 0; v < V; ++v) values[v] = _mm512_loadu_si512(right + v * kLanes);
        for (int r = 0; r < R; ++r) {
            const Word word = word_at(left + 4 * a.row * r);
            for (int v = 0; v < V; ++v) sums[r][v] = multiply_add<Element>(word, values[v], sums[r][v]);
        }
    }
    for (int r = 0; r < R; ++r) {
        for (int v = 0; v < V; ++v) _mm512_storeu_ps(c.data + r * c.columns + v * kLanes, sums[r][v]);
    }
}

/// `rows` rows of C and V registers of its columns, over `units` words. C is overwritten.
template <typename Element, int V>
inline void multiply_columns(Left a, Panel<const Word> b, std::int64_t units, Panel<float> c,
                             std::int64_t rows) {
    for (; rows >= kRows; rows -= kRows) {
        multiply_tile<Element, kRows, V>(a, b, units, c);
        a.words += 4 * kRows * a.row;
        c.data += kRows * c.columns;
    }
    switch (rows) {
        case 1:
            return multiply_tile<Element, 1, V>(a, b, units, c);
        case 2:
            return multiply_tile<Element, 2, V>(a, b, units, c);
        case 3:
            return multiply_tile<Element, 3, V>(a, b, units, c);
        case 4:
            return multiply_tile<Element, 4, V>(a, b, units, c);
        case 5:
            return multiply_tile<Element, 5, V>(a, b, units, c);
        default:
            return;
    }
}

/// C (rows, c.columns) = A B over `units` words.
template <typename Element>
void multiply(const Left& a, Panel<const Word> b, std::int64_t units, Panel<float> c, std::int64_t rows) {
    for (std::int64_t at = 0; at < c.columns; at += kColumns * kLanes) {
        const Panel<const Word> right{b.data + at, b.columns};
        const Panel<float> sums{c.data + at, c.columns};
        switch (std::min((c.columns - at) / kLanes, kColumns)) {
            case 1:
                multiply_columns<Element, 1>(a, right, units, sums, rows);
                break;
            case 2:
                multiply_columns<Element, 2>(a, right, units, sums, rows);
                break;
            case 3:
                multiply_columns<Element, 3>(a, right, units, sums, rows);
                break;
            default:
                multiply_columns<Element, 4>(a, right, units, sums, rows);
        }
    }
}

/// Transposes T rows of D elements, `stride` elements apart: word (u, t) of `to` is word u of row t. `to` is
/// (D / kPerWord, columns), zero beyond T.
template <typename Element>
void turn(const Element* rows, std::int64_t stride, std::int64_t tokens, std::int64_t head_size,
          Panel<Word> to) {
    const auto pitch = static_cast<int>(stride / kPerWord<Element>);
    const __m512i places = _mm512_mullo_epi32(
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), _mm512_set1_epi32(pitch));
    for (std::int64_t t = 0; t < tokens; t += kLanes) {
        const __mmask16 lanes = first_lanes(tokens - t);
        for (std::int64_t u = 0; u < head_size / kPerWord<Element>; ++u) {
            const __m512i words = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), lanes, places,
                                                              rows + t * stride + u * kPerWord<Element>, 4);
            _mm512_storeu_si512(to.data + u * to.columns + t, words);
        }
    }
}

/// Packs T rows of D elements, `stride` elements apart, into words along T: word (u, d) of `to` holds element
/// d of row u (float) or of rows 2 u and 2 u + 1 (BFloat16). `to` is (ceil(T / kPerWord), D).
template <typename Element>
void stack(const Element* rows, std::int64_t stride, std::int64_t tokens, Panel<Word> to) {
    for (std::int64_t t = 0; t < tokens; t += kPerWord<Element>, to.data += to.columns) {
        const Element* row = rows + t * stride;
        for (std::int64_t d = 0; d < to.columns; d += kLanes) {
            __m512i words;
            if constexpr (std::is_same_v<Element, float>) {
                words = _mm512_loadu_si512(row + d);
            } else {
                const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + d));
                const __m256i high =
                    t + 1 < tokens ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + stride + d))
                                   : _mm256_setzero_si256();
                words = _mm512_or_si512(_mm512_cvtepu16_epi32(low),
                                        _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
            }
            _mm512_storeu_si512(to.data + d, words);
        }
    }
}

}  // namespace simd

BV_AVX512_END

}  // namespace bv

#endif
