#pragma once

// How the kernels over layers read states, one layer at a time, in each type. An element's number counts
// within its layer. The functions use AVX-512 and may be called only if has_layer_mix_kernel is true.

#include <cstdint>

#include <c10/core/ScalarType.h>

#include "core/dtype.hpp"
#include "heads/blocks/layer_mix_kernel.hpp"
#include "tensor/simd.hpp"

#ifdef BV_AVX512
namespace bv::layer_reader {

BV_AVX512_BEGIN

template <typename Element>
struct Plain {
    explicit Plain(const LayerElements& of)
        : begin(static_cast<const Element*>(of.states)), stride(of.stride) {}
    void move_to(std::int64_t layer) { states = begin + layer * stride; }
    const Element* address(std::int64_t element) const { return states + element; }

    const Element* begin;
    std::int64_t stride;
    const Element* states = nullptr;
};

struct Float32 : Plain<float> {
    using Plain::Plain;
    __m512 load(std::int64_t element, __mmask16 lanes) const { return simd::load(states + element, lanes); }
};

struct Float16 : Plain<std::uint16_t> {
    using Plain::Plain;
    __m512 load(std::int64_t element, __mmask16 lanes) const {
        return simd::from_float16(simd::load_halves(states + element, lanes));
    }
};

struct BFloat16 : Plain<std::uint16_t> {
    using Plain::Plain;
    __m512 load(std::int64_t element, __mmask16 lanes) const {
        return simd::from_bfloat16(simd::load_halves(states + element, lanes));
    }
};

/// Reads elements of one row only: of the row that `of` begins in.
struct Float8 {
    explicit Float8(const LayerElements& of)
        : first(of.first / of.width * of.width),
          row_bytes(kFloat8ScaleBytes + of.width),
          layer_bytes(of.stride / of.width * row_bytes),
          begin(static_cast<const std::uint8_t*>(of.states) + first / of.width * row_bytes) {}
    void move_to(std::int64_t layer) {
        const std::uint8_t* const scale = begin + layer * layer_bytes;
        factor = simd::float8_factor(scale);
        states = scale + kFloat8ScaleBytes;
    }
    const std::uint8_t* address(std::int64_t element) const { return states + (element - first); }
    __m512 load(std::int64_t element, __mmask16 lanes) const {
        return simd::load_float8(states + (element - first), factor, lanes);
    }

    std::int64_t first, row_bytes, layer_bytes;
    const std::uint8_t* begin;
    const std::uint8_t* states = nullptr;
    __m512 factor = _mm512_setzero_ps();
};

BV_AVX512_END

/// Calls `work` with the way to read states of `type`.
template <typename Work>
void for_type(c10::ScalarType type, const Work& work) {
    switch (type) {
        case c10::kFloat:
            return work.template operator()<Float32>();
        case c10::kHalf:
            return work.template operator()<Float16>();
        case c10::kByte:
            return work.template operator()<Float8>();
        default:
            return work.template operator()<BFloat16>();
    }
}

}  // namespace bv::layer_reader
#endif
