#include <algorithm>
#include <type_traits>
#include <vector>

#include "core/error.hpp"
#include "heads/blocks/layer_mix_kernel.hpp"
#include "heads/blocks/layer_reader.hpp"
#include "tensor/simd.hpp"

namespace bv {

#ifdef BV_AVX512
BV_AVX512_BEGIN
namespace {

using simd::kLanes;

/// Calls `work` with parts of `of` that have at most `most` elements, in float8 with rows.
template <typename Type, typename Work>
void for_each_part(const LayerElements& of, std::int64_t most, const Work& work) {
    const std::int64_t size = std::is_same_v<Type, layer_reader::Float8> ? of.width : most;
    LayerElements part = of;
    for (std::int64_t e = 0; e < of.count; e += size) {
        part.first = of.first + e;
        part.count = std::min(size, of.count - e);
        work(part);
    }
}

/// Computes kMixes mixes of all elements, kVectors vectors of elements at a time: as many sums as the
/// registers hold.
template <typename Type, int kMixes, int kVectors>
void mix(const LayerElements& of, const float* mixes, float* out, std::int64_t out_stride) {
    Type layer(of);
    for (std::int64_t e = 0; e < of.count; e += kVectors * kLanes) {
        __m512 sums[kMixes][kVectors];
        __mmask16 lanes[kVectors];
        for (int v = 0; v < kVectors; ++v) {
            lanes[v] = simd::first_lanes(std::max<std::int64_t>(of.count - e - v * kLanes, 0));
            for (int k = 0; k < kMixes; ++k) sums[k][v] = _mm512_setzero_ps();
        }
        for (std::int64_t l = 0; l < of.layers; ++l) {
            layer.move_to(l);
            for (int v = 0; v < kVectors; ++v) {
                const __m512 state = layer.load(of.first + e + v * kLanes, lanes[v]);
                for (int k = 0; k < kMixes; ++k)
                    sums[k][v] = _mm512_fmadd_ps(_mm512_set1_ps(mixes[k * of.layers + l]), state, sums[k][v]);
            }
        }
        for (int k = 0; k < kMixes; ++k) {
            for (int v = 0; v < kVectors; ++v)
                simd::store(out + k * out_stride + e + v * kLanes, sums[k][v], lanes[v]);
        }
    }
}

/// Adds sums over the elements to `sums`, which has 16 lanes for each of the kMixes mixes and each layer.
/// Vector v of the elements goes to sum v % kSums, because the processor can add independent sums at the
/// same time.
template <typename Type, int kMixes, int kSums>
void add_products(const LayerElements& of, const Mixes<const float>& gradients, float* sums) {
    Type layer(of);
    for (std::int64_t l = 0; l < of.layers; ++l) {
        layer.move_to(l);
        __m512 own[kMixes][kSums];
        for (auto& of_mix : own) {
            for (__m512& sum : of_mix) sum = _mm512_setzero_ps();
        }
        for (std::int64_t e = 0; e < of.count; e += kSums * kLanes) {
            for (int v = 0; v < kSums; ++v) {
                const std::int64_t at = e + v * kLanes;
                const __mmask16 lanes = simd::first_lanes(std::max<std::int64_t>(of.count - at, 0));
                const __m512 state = layer.load(of.first + at, lanes);
                const float* from = gradients.values + at;
                for (int k = 0; k < kMixes; ++k)
                    own[k][v] =
                        _mm512_fmadd_ps(simd::load(from + k * gradients.stride, lanes), state, own[k][v]);
            }
        }
        for (int k = 0; k < kMixes; ++k) {
            __m512 sum = own[k][0];
            for (int v = 1; v < kSums; ++v) sum = _mm512_add_ps(sum, own[k][v]);
            float* total = sums + (k * of.layers + l) * kLanes;
            simd::store(total, _mm512_add_ps(simd::load(total), sum));
        }
    }
}

template <typename Type, int kMixes>
void sum_products(const LayerElements& of, const Mixes<const float>& gradients, double* sums) {
    constexpr std::int64_t kTile = 1024;  // so few elements that their gradients stay in the first cache
    // The sums are computed in the same way for any number of mixes, so that each mix has the same bits
    // whatever the others are.
    constexpr int kSums = 4;
    std::vector<float> own(static_cast<std::size_t>(kMixes * of.layers * kLanes), 0.0F);
    for_each_part<Type>(of, kTile, [&](const LayerElements& part) {
        const float* own_gradients = gradients.values + (part.first - of.first);
        add_products<Type, kMixes, kSums>(part, {own_gradients, gradients.stride, kMixes}, own.data());
    });
    for (std::int64_t i = 0; i < kMixes * of.layers; ++i)
        sums[i] = _mm512_reduce_add_ps(simd::load(own.data() + i * kLanes));
}

/// Computes all mixes, as many at a time as the registers hold.
template <typename Type>
void mix_part(const LayerElements& of, const float* mixes, const Mixes<float>& out) {
    for (std::int64_t k = 0; k < out.count;) {
        const float* own = mixes + k * of.layers;
        float* to = out.values + k * out.stride;
        if (out.count - k >= 8) {
            mix<Type, 8, 2>(of, own, to, out.stride);
            k += 8;
        } else if (out.count - k >= 4) {
            mix<Type, 4, 4>(of, own, to, out.stride);
            k += 4;
        } else {
            mix<Type, 1, 8>(of, own, to, out.stride);
            ++k;
        }
    }
}

template <typename Type>
void read_each(const LayerElements& of, std::int64_t layer, std::int64_t column, std::int64_t columns,
               float* out) {
    // The processor does not guess by itself which part of the next rows it will need.
    constexpr std::int64_t kRowsAhead = 16;
    LayerElements row = of;
    for (; row.first < of.first + of.count; row.first += of.width) {
        Type states(row);
        states.move_to(layer);
        for (std::int64_t c = column; c < column + columns; c += kLanes, out += kLanes) {
            const __mmask16 lanes = simd::first_lanes(std::max<std::int64_t>(of.width - c, 0));
            _mm_prefetch(states.address(row.first + c + kRowsAhead * of.width), _MM_HINT_T0);
            simd::store(out, states.load(row.first + c, lanes));
        }
    }
}

template <typename Type>
void mix_all(const LayerElements& of, const float* mixes, const Mixes<float>& out) {
    for_each_part<Type>(of, of.count, [&](const LayerElements& part) {
        mix_part<Type>(part, mixes, {out.values + (part.first - of.first), out.stride, out.count});
    });
}

template <typename Type>
void sum_all(const LayerElements& of, const Mixes<const float>& gradients, double* sums) {
    for (std::int64_t k = 0; k < gradients.count;) {
        const Mixes<const float> own{gradients.values + k * gradients.stride, gradients.stride, 4};
        double* to = sums + k * of.layers;
        if (gradients.count - k >= 4) {
            sum_products<Type, 4>(of, own, to);
            k += 4;
        } else {
            sum_products<Type, 1>(of, own, to);
            ++k;
        }
    }
}

}  // namespace
BV_AVX512_END

bool has_layer_mix_kernel(c10::ScalarType type) {
    return has_avx512() &&
           (type == c10::kFloat || type == c10::kHalf || type == c10::kBFloat16 || type == c10::kByte);
}

void mix_layers(const LayerElements& elements, const float* mixes, const Mixes<float>& out) {
    layer_reader::for_type(elements.type, [&]<typename Type>() { mix_all<Type>(elements, mixes, out); });
}

void mix_gradients(const LayerElements& elements, const Mixes<const float>& gradients, double* sums) {
    layer_reader::for_type(elements.type, [&]<typename Type>() { sum_all<Type>(elements, gradients, sums); });
}

void read_columns(const LayerElements& rows, std::int64_t layer, std::int64_t column, std::int64_t columns,
                  float* out) {
    layer_reader::for_type(rows.type,
                           [&]<typename Type>() { read_each<Type>(rows, layer, column, columns, out); });
}

#else

bool has_layer_mix_kernel(c10::ScalarType /*type*/) {
    return false;
}

void mix_layers(const LayerElements& /*elements*/, const float* /*mixes*/, const Mixes<float>& /*out*/) {
    BV_EXPECT(false);
}

void mix_gradients(const LayerElements& /*elements*/, const Mixes<const float>& /*gradients*/,
                   double* /*sums*/) {
    BV_EXPECT(false);
}

void read_columns(const LayerElements& /*rows*/, std::int64_t /*layer*/, std::int64_t /*column*/,
                  std::int64_t /*columns*/, float* /*out*/) {
    BV_EXPECT(false);
}

#endif

}  // namespace bv
