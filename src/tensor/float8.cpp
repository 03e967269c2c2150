#include "tensor/float8.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "tensor/simd.hpp"
#include "tensor/to_host.hpp"

namespace bv {
namespace {

constexpr float kLargest = 448;
constexpr float kLeastScale = std::numeric_limits<float>::min();  // 2^-126: a row of zeros is divided too

/// How many rows a thread converts at a time.
constexpr std::int64_t kRows = 64;

/// The number of elements of a row of float8.
std::int64_t width_of(const at::Tensor& rows) {
    BV_EXPECT(rows.scalar_type() == at::kByte && rows.size(-1) > kFloat8ScaleBytes);
    return rows.size(-1) - kFloat8ScaleBytes;
}

/// (..., 1) The scales of the rows.
at::Tensor scales_of(const at::Tensor& rows) {
    // A copy of its own is aligned for float32.
    return rows.narrow(-1, 0, kFloat8ScaleBytes).clone(at::MemoryFormat::Contiguous).view(at::kFloat);
}

std::vector<std::int64_t> with_width(const at::Tensor& rows, std::int64_t width) {
    std::vector<std::int64_t> shape = rows.sizes().vec();
    shape.back() = width;
    return shape;
}

#ifdef BV_AVX512
BV_AVX512_BEGIN

/// The scale of a row of `width` floats. As whole numbers the bits of NaN and infinity are larger than those
/// of all numbers, so they are found too.
float scale_of(const float* row, std::int64_t width) {
    __m512i largest = _mm512_setzero_si512();
    const __m512i no_sign = _mm512_set1_epi32(0x7FFFFFFF);
    for (std::int64_t i = 0; i < width; i += simd::kLanes) {
        const __m512i bits = _mm512_castps_si512(simd::load(row + i, simd::first_lanes(width - i)));
        largest = _mm512_max_epi32(largest, _mm512_and_si512(bits, no_sign));
    }
    const float scale = std::bit_cast<float>(_mm512_reduce_max_epi32(largest)) / kLargest;
    return scale < kLeastScale ? kLeastScale : scale;
}

/// Numbers of at most 448 as e4m3.
__m128i to_e4m3(__m512 values) {
    const __m512i bits = _mm512_castps_si512(values);
    const __m512i size = _mm512_and_si512(bits, _mm512_set1_epi32(0x7FFFFFFF));
    // e4m3 keeps 3 of the 23 bits of the mantissa: half of the last kept bit is added, less one unit if that
    // bit is even. Then the bias becomes 7.
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(size, 20), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(size, _mm512_set1_epi32(0x7FFFF)), odd);
    const __m512i normal = _mm512_srli_epi32(_mm512_sub_epi32(rounded, _mm512_set1_epi32(120 << 23)), 20);
    // Below 2^-6 the numbers are multiples of 2^-9, which is the last bit of a float from 2^14 to 2^15.
    const __m512 shift = _mm512_set1_ps(16384);
    const __m512i multiples = _mm512_sub_epi32(
        _mm512_castps_si512(_mm512_add_ps(_mm512_castsi512_ps(size), shift)), _mm512_castps_si512(shift));
    const __mmask16 small = _mm512_cmplt_epi32_mask(size, _mm512_set1_epi32(121 << 23));
    const __m512i sign = _mm512_and_si512(_mm512_srli_epi32(bits, 24), _mm512_set1_epi32(0x80));
    return _mm512_cvtepi32_epi8(_mm512_or_si512(_mm512_mask_blend_epi32(small, normal, multiples), sign));
}

void encode_row(const float* row, std::int64_t width, std::uint8_t* to) {
    const float scale = scale_of(row, width);
    std::memcpy(to, &scale, kFloat8ScaleBytes);
    const __m512 divisor = _mm512_set1_ps(scale);
    for (std::int64_t i = 0; i < width; i += simd::kLanes) {
        const __mmask16 lanes = simd::first_lanes(width - i);
        const __m512 quotients = _mm512_div_ps(simd::load(row + i, lanes), divisor);
        _mm_mask_storeu_epi8(to + kFloat8ScaleBytes + i, lanes, to_e4m3(quotients));
    }
}

void decode_row(const std::uint8_t* row, std::int64_t width, float* to) {
    const __m512 factor = simd::float8_factor(row);
    for (std::int64_t i = 0; i < width; i += simd::kLanes) {
        const __mmask16 lanes = simd::first_lanes(width - i);
        simd::store(to + i, simd::load_float8(row + kFloat8ScaleBytes + i, factor, lanes), lanes);
    }
}

BV_AVX512_END

at::Tensor to_float8_by_avx512(const at::Tensor& rows) {
    const at::Tensor own = rows.contiguous();
    const std::int64_t width = own.size(-1);
    const std::int64_t bytes = kFloat8ScaleBytes + width;
    at::Tensor made = at::empty(with_width(own, bytes), at::kByte);
    const auto* const from = own.const_data_ptr<float>();
    auto* const to = made.data_ptr<std::uint8_t>();
    at::parallel_for(0, own.numel() / width, kRows, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t i = first; i < last; ++i) encode_row(from + i * width, width, to + i * bytes);
    });
    return made;
}

at::Tensor from_float8_by_avx512(const at::Tensor& rows) {
    const at::Tensor own = rows.contiguous();
    const std::int64_t width = width_of(own);
    const std::int64_t bytes = own.size(-1);
    at::Tensor made = at::empty(with_width(own, width), at::kFloat);
    const auto* const from = own.const_data_ptr<std::uint8_t>();
    auto* const to = made.data_ptr<float>();
    at::parallel_for(0, own.numel() / bytes, kRows, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t i = first; i < last; ++i) decode_row(from + i * bytes, width, to + i * width);
    });
    return made;
}

#endif

}  // namespace

at::Tensor to_float8(const at::Tensor& rows) {
#ifdef BV_AVX512
    if (rows.is_cpu() && has_avx512()) return to_float8_by_avx512(rows);
#endif
    return to_float8_by_torch(rows);
}

at::Tensor decoded(const at::Tensor& rows) {
    if (rows.scalar_type() != at::kByte) return rows;
#ifdef BV_AVX512
    if (rows.is_cpu() && has_avx512()) return from_float8_by_avx512(rows);
#endif
    return from_float8_by_torch(rows);
}

bool float8_finite(const at::Tensor& rows) {
    return value_of(at::isfinite(scales_of(rows)).all()) != 0;
}

at::Tensor to_float8_by_torch(const at::Tensor& rows) {
    // CUDA multiplies by the reciprocal if it divides by a number that is no tensor.
    const at::Tensor largest = at::full({1}, kLargest, rows.options());
    const at::Tensor scales = rows.abs().amax(-1, /*keepdim=*/true).div_(largest).clamp_min_(kLeastScale);
    return at::cat({scales.view(at::kByte), rows.div(scales).to(at::kFloat8_e4m3fn).view(at::kByte)}, -1);
}

at::Tensor from_float8_by_torch(const at::Tensor& rows) {
    const at::Tensor numbers = rows.narrow(-1, kFloat8ScaleBytes, width_of(rows)).view(at::kFloat8_e4m3fn);
    return numbers.to(at::kFloat).mul_(scales_of(rows));
}

}  // namespace bv
