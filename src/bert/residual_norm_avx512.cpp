#include "bert/residual_norm_avx512.hpp"

#include <cmath>

#include "core/error.hpp"
#include "random/masked_lanes.hpp"
#include "tensor/simd_bfloat16.hpp"

namespace bv {

#ifdef BV_AVX512
BV_AVX512_BEGIN
namespace {

using simd::kLanes;

template <typename Element>
void norm_by_avx512(const NormRows<Element>& rows, const NormForward<Element>& pass) {
    auto [x, residual, bias, epsilon, sum, output, rounded, means, deviations] = pass;
    const std::int64_t hidden = rows.hidden;
    const float share = 1.0F / static_cast<float>(hidden);
    const KeepBits& mask = rows.mask;
    for (std::int64_t r = 0; r < rows.rows; ++r) {
        __m512 total = _mm512_setzero_ps();
        for (std::int64_t h = 0; h < hidden; h += kLanes) {
            const __mmask16 lanes = simd::first_lanes(hidden - h);
            const __m512 added = _mm512_add_ps(simd::masked(simd::load(x + h, lanes), mask, r * hidden + h),
                                               simd::load(residual + h, lanes));
            simd::store(sum + h, added, lanes);
            total = _mm512_mask_add_ps(total, lanes, total, added);
        }
        const float mean = share * _mm512_reduce_add_ps(total);
        __m512 squares = _mm512_setzero_ps();
        for (std::int64_t h = 0; h < hidden; h += kLanes) {
            const __mmask16 lanes = simd::first_lanes(hidden - h);
            const __m512 centred =
                _mm512_maskz_sub_ps(lanes, simd::load(sum + h, lanes), _mm512_set1_ps(mean));
            squares = _mm512_fmadd_ps(centred, centred, squares);
        }
        const float deviation = 1.0F / std::sqrt(share * _mm512_reduce_add_ps(squares) + epsilon);
        for (std::int64_t h = 0; h < hidden; h += kLanes) {
            const __mmask16 lanes = simd::first_lanes(hidden - h);
            const __m512 centred = _mm512_sub_ps(simd::load(sum + h, lanes), _mm512_set1_ps(mean));
            const __m512 normal = _mm512_mul_ps(centred, _mm512_set1_ps(deviation));
            const __m512 value =
                _mm512_fmadd_ps(normal, simd::load(rows.weight + h, lanes), simd::load(bias + h, lanes));
            simd::store(output + h, value, lanes);
            if (rounded != nullptr) simd::store(rounded + h, value, lanes);
        }
        means[r] = mean;
        deviations[r] = deviation;
        x += hidden;
        residual += hidden;
        sum += hidden;
        output += hidden;
        if (rounded != nullptr) rounded += hidden;
    }
}

template <typename Element>
void norm_backward_by_avx512(const NormRows<Element>& rows, const NormBackward<Element>& pass) {
    auto [sum, means, deviations, output_gradient, rounded_gradient, x_gradient, residual_gradient,
          weight_gradient, bias_gradient] = pass;
    const std::int64_t hidden = rows.hidden;
    const float share = 1.0F / static_cast<float>(hidden);
    const KeepBits& mask = rows.mask;
    for (std::int64_t r = 0; r < rows.rows; ++r) {
        const __m512 mean = _mm512_set1_ps(means[r]);
        const __m512 deviation = _mm512_set1_ps(deviations[r]);
        __m512 total = _mm512_setzero_ps();
        __m512 along = _mm512_setzero_ps();
        for (std::int64_t h = 0; h < hidden;
             h += kLanes) {  // in this loop residual_gradient gets gradient times weight
            const __mmask16 lanes = simd::first_lanes(hidden - h);
            __m512 gradient = _mm512_setzero_ps();
            if (output_gradient != nullptr) gradient = simd::load(output_gradient + h, lanes);
            if (rounded_gradient != nullptr)
                gradient = _mm512_add_ps(gradient, simd::load(rounded_gradient + h, lanes));
            const __m512 normal =
                _mm512_maskz_mul_ps(lanes, _mm512_sub_ps(simd::load(sum + h, lanes), mean), deviation);
            simd::store(weight_gradient + h,
                        _mm512_fmadd_ps(gradient, normal, simd::load(weight_gradient + h, lanes)), lanes);
            simd::store(bias_gradient + h, _mm512_add_ps(gradient, simd::load(bias_gradient + h, lanes)),
                        lanes);
            const __m512 weighted = _mm512_mul_ps(gradient, simd::load(rows.weight + h, lanes));
            simd::store(residual_gradient + h, weighted, lanes);
            total = _mm512_add_ps(total, weighted);
            along = _mm512_fmadd_ps(weighted, normal, along);
        }
        const __m512 shift = _mm512_set1_ps(share * _mm512_reduce_add_ps(total));
        const __m512 slope = _mm512_set1_ps(share * _mm512_reduce_add_ps(along));
        for (std::int64_t h = 0; h < hidden; h += kLanes) {
            const __mmask16 lanes = simd::first_lanes(hidden - h);
            const __m512 normal = _mm512_mul_ps(_mm512_sub_ps(simd::load(sum + h, lanes), mean), deviation);
            const __m512 centred = _mm512_sub_ps(simd::load(residual_gradient + h, lanes), shift);
            const __m512 gradient = _mm512_mul_ps(_mm512_fnmadd_ps(normal, slope, centred), deviation);
            simd::store(residual_gradient + h, gradient, lanes);
            simd::store(x_gradient + h, simd::masked(gradient, mask, r * hidden + h), lanes);
        }
        sum += hidden;
        if (output_gradient != nullptr) output_gradient += hidden;
        if (rounded_gradient != nullptr) rounded_gradient += hidden;
        x_gradient += hidden;
        residual_gradient += hidden;
    }
}

}  // namespace
BV_AVX512_END

template <typename Element>
void residual_norm(const NormRows<Element>& rows, const NormForward<Element>& pass) {
    norm_by_avx512(rows, pass);
}

template <typename Element>
void residual_norm_backward(const NormRows<Element>& rows, const NormBackward<Element>& pass) {
    norm_backward_by_avx512(rows, pass);
}

#else

template <typename Element>
void residual_norm(const NormRows<Element>&, const NormForward<Element>&) {
    BV_EXPECT(false);
}

template <typename Element>
void residual_norm_backward(const NormRows<Element>&, const NormBackward<Element>&) {
    BV_EXPECT(false);
}

#endif

template void residual_norm(const NormRows<float>&, const NormForward<float>&);
template void residual_norm(const NormRows<c10::BFloat16>&, const NormForward<c10::BFloat16>&);
template void residual_norm_backward(const NormRows<float>&, const NormBackward<float>&);
template void residual_norm_backward(const NormRows<c10::BFloat16>&, const NormBackward<c10::BFloat16>&);

}  // namespace bv
