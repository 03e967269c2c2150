#include <algorithm>

#include "core/error.hpp"
#include "heads/blocks/layer_mix_kernel.hpp"
#include "heads/blocks/layer_reader.hpp"

namespace bv {

#ifdef BV_AVX512
BV_AVX512_BEGIN
namespace {

using simd::kLanes;

/// Adds to sums[n][k][o] the products of kMixes mixed rows n with weights[k, o], for the columns [begin, end)
/// of `rows`. kVectors vectors of columns are mixed at a time: as many as the registers hold. The loops over
/// mixes are unrolled because only then does GCC keep the mixed columns in registers.
template <typename Type, int kMixes, int kVectors>
void add_outputs(const LayerElements& rows, const LinearMixes& linear, std::int64_t begin, std::int64_t end,
                 __m512 (*sums)[kMixes][kLinearOutputs]) {
    // The processor does not guess by itself that it will need the same columns of the next tile.
    constexpr std::int64_t kRowsAhead = kTileRows;
    const std::int64_t layers = rows.layers;
    const std::int64_t width = rows.width;
    LayerElements row = rows;
    for (std::int64_t n = 0; n < rows.count / width; ++n, row.first += width) {
        Type layer(row);
        for (std::int64_t c = begin; c < end; c += kVectors * kLanes) {
            __m512 mixed[kMixes][kVectors];
            __mmask16 lanes[kVectors];
            for (int v = 0; v < kVectors; ++v) {
                lanes[v] = simd::first_lanes(std::max<std::int64_t>(end - c - v * kLanes, 0));
                for (int k = 0; k < kMixes; ++k) mixed[k][v] = _mm512_setzero_ps();
            }
            for (std::int64_t l = 0; l < layers; ++l) {
                layer.move_to(l);
                __m512 state[kVectors];
                for (int v = 0; v < kVectors; ++v) {
                    const std::int64_t element = row.first + c + v * kLanes;
                    _mm_prefetch(layer.address(element + kRowsAhead * width), _MM_HINT_T0);
                    state[v] = layer.load(element, lanes[v]);
                }
#pragma GCC unroll 10
                for (int k = 0; k < kMixes; ++k) {
                    const __m512 factor = _mm512_set1_ps(linear.mixes[k * layers + l]);
                    for (int v = 0; v < kVectors; ++v)
                        mixed[k][v] = _mm512_fmadd_ps(factor, state[v], mixed[k][v]);
                }
            }
#pragma GCC unroll 10
            for (int k = 0; k < kMixes; ++k) {
                for (int o = 0; o < kLinearOutputs; ++o) {
                    const float* const from = linear.weights + (k * kLinearOutputs + o) * width + c;
                    __m512 sum = sums[n][k][o];
                    for (int v = 0; v < kVectors; ++v)
                        sum = _mm512_fmadd_ps(mixed[k][v], simd::load(from + v * kLanes, lanes[v]), sum);
                    sums[n][k][o] = sum;
                }
            }
        }
    }
}

/// The outputs of kMixes heads for the rows of a tile.
template <typename Type, int kMixes, int kVectors>
void multiply_tile(const LayerElements& rows, const LinearMixes& linear, float* out, std::int64_t stride) {
    // So few columns that their weights, 10 KiB, stay in the first cache of a core.
    constexpr std::int64_t kColumns = 1280 / kMixes;
    static_assert(kColumns % (kVectors * kLanes) == 0);
    __m512 sums[kTileRows][kMixes][kLinearOutputs];
    for (auto& of_row : sums) {
        for (auto& of_mix : of_row) {
            for (__m512& sum : of_mix) sum = _mm512_setzero_ps();
        }
    }
    for (std::int64_t c = 0; c < rows.width; c += kColumns)
        add_outputs<Type, kMixes, kVectors>(rows, linear, c, std::min(c + kColumns, rows.width), sums);
    for (int k = 0; k < kMixes; ++k) {
        for (int o = 0; o < kLinearOutputs; ++o, out += stride) {
            const float bias = linear.biases[k * kLinearOutputs + o];
            for (std::int64_t n = 0; n < rows.count / rows.width; ++n)
                out[n] = _mm512_reduce_add_ps(sums[n][k][o]) + bias;
        }
    }
}

template <typename Type>
void multiply_all(const LayerElements& rows, const LinearMixes& linear, float* out, std::int64_t stride) {
    LayerElements tile = rows;
    for (std::int64_t e = 0; e < rows.count; e += kTileRows * rows.width) {
        tile.first = rows.first + e;
        tile.count = std::min(kTileRows * rows.width, rows.count - e);
        for (std::int64_t k = 0; k < linear.count;) {
            const std::int64_t output = k * kLinearOutputs;
            const std::int64_t left = linear.count - k;
            const LinearMixes own{left, linear.mixes + k * rows.layers, linear.weights + output * rows.width,
                                  linear.biases + output};
            float* const to = out + output * stride + e / rows.width;
            if (left >= 10) {
                multiply_tile<Type, 10, 2>(tile, own, to, stride);
                k += 10;
            } else if (left >= 4) {
                multiply_tile<Type, 4, 4>(tile, own, to, stride);
                k += 4;
            } else {
                multiply_tile<Type, 1, 8>(tile, own, to, stride);
                ++k;
            }
        }
    }
}

}  // namespace
BV_AVX512_END

void multiply_mixes(const LayerElements& rows, const LinearMixes& linear, float* out, std::int64_t stride) {
    layer_reader::for_type(rows.type,
                           [&]<typename Type>() { multiply_all<Type>(rows, linear, out, stride); });
}

#else

void multiply_mixes(const LayerElements& /*rows*/, const LinearMixes& /*linear*/, float* /*out*/,
                    std::int64_t /*stride*/) {
    BV_EXPECT(false);
}

#endif

}  // namespace bv
