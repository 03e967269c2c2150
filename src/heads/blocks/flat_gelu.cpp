#include "heads/blocks/flat_gelu.hpp"

#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.hpp"
#include "tensor/simd_bfloat16.hpp"

namespace bv {

#ifdef BV_AVX512
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

BV_AVX512_BEGIN

/// x, or the bound that is nearest to it; NaN stays NaN.
__m512 within(float least, float most, __m512 x) {
    // A comparison with NaN gives the second operand.
    return _mm512_max_ps(_mm512_set1_ps(least), _mm512_min_ps(_mm512_set1_ps(most), x));
}

constexpr float kRoot = 0.797884561F;  // sqrt(2 / pi)
constexpr float kCube = 0.044715F;

/// GELU keeps of x the share (1 + tanh(u)) / 2 = 1 / (1 + e), with e = exp(-2u) and u = kRoot * (x + kCube *
/// x^3).
__m512 e_of(__m512 x, __m512 square) {
    const __m512 factor =
        _mm512_fmadd_ps(square, _mm512_set1_ps(-2 * kRoot * kCube), _mm512_set1_ps(-2 * kRoot));
    // Below -87 the exponential is 0, from 89 on infinite; of much larger numbers it would be NaN.
    return simd::exp(within(-88, 89, _mm512_mul_ps(x, factor)));
}

__m512 share_of(__m512 e) {
    const __m512 one = _mm512_set1_ps(1);
    return _mm512_div_ps(one, _mm512_add_ps(one, e));
}

__m512 gelu(__m512 x) {
    return _mm512_mul_ps(x, share_of(e_of(x, _mm512_mul_ps(x, x))));
}

/// The derivative of gelu: s + x * s * (1 - s) * d(2u)/dx for the share s. 1 - s is e * s: the difference
/// would lose digits. Beyond 10 and -10 the derivative is 1 and 0, to 1e-35; e is finite between them.
__m512 slope_of_gelu(__m512 x) {
    x = within(-10, 10, x);
    const __m512 square = _mm512_mul_ps(x, x);
    const __m512 e = e_of(x, square);
    const __m512 share = share_of(e);
    const __m512 rest = _mm512_mul_ps(share, _mm512_mul_ps(share, e));
    const __m512 change =
        _mm512_fmadd_ps(square, _mm512_set1_ps(6 * kRoot * kCube), _mm512_set1_ps(2 * kRoot));
    return _mm512_fmadd_ps(_mm512_mul_ps(x, rest), change, share);
}

/// out[w] = gelu(x[w])
void gelu_row(const float* x, std::int64_t width, float* out) {
    for (std::int64_t w = 0; w < width; w += simd::kLanes) {
        const __mmask16 lanes = simd::first_lanes(width - w);
        simd::store(out + w, gelu(simd::load(x + w, lanes)), lanes);
    }
}

/// out[w] = gradient[w] * the derivative of gelu at x[w]
void gelu_row_backward(const float* x, const float* gradient, std::int64_t width, float* out) {
    for (std::int64_t w = 0; w < width; w += simd::kLanes) {
        const __mmask16 lanes = simd::first_lanes(width - w);
        const __m512 slope = slope_of_gelu(simd::load(x + w, lanes));
        simd::store(out + w, _mm512_mul_ps(simd::load(gradient + w, lanes), slope), lanes);
    }
}

BV_AVX512_END

/// x (L, N, K, W) and how its rows (n, k) are visited.
struct Rows {
    explicit Rows(const at::Tensor& x)
        : layers(x.size(0)), tokens(x.size(1)), heads(x.size(2)), width(x.size(3)) {}

    /// Place of x[l, n, k, 0], and of the result's [k, n, 0].
    std::int64_t of_x(std::int64_t l, std::int64_t n, std::int64_t k) const {
        return ((l * tokens + n) * heads + k) * width;
    }
    std::int64_t of_result(std::int64_t n, std::int64_t k) const { return (k * tokens + n) * width * layers; }

    /// Calls `visit(n, k, room)` for all rows, with memory for one row: (L, W).
    template <typename Visit>
    void for_each(const Visit& visit) const {
        constexpr std::int64_t kGrain = 8;
        at::parallel_for(0, tokens, kGrain, [&](std::int64_t first, std::int64_t last) {
            std::vector<float> room(static_cast<std::size_t>(layers * width));
            for (std::int64_t n = first; n < last; ++n) {
                for (std::int64_t k = 0; k < heads; ++k) visit(n, k, room.data());
            }
        });
    }

    std::int64_t layers, tokens, heads, width;
};

class FlatGelu : public torch::autograd::Function<FlatGelu> {
  public:
    static at::Tensor forward(AutogradContext* context, const at::Tensor& x) {
        const at::Tensor own = x.contiguous();
        context->save_for_backward({own});
        const Rows rows(own);
        at::Tensor out = at::empty({rows.heads, rows.tokens, rows.width * rows.layers}, own.options());
        const float* const from = own.const_data_ptr<float>();
        float* const to = out.data_ptr<float>();
        rows.for_each([&](std::int64_t n, std::int64_t k, float* room) {
            for (std::int64_t l = 0; l < rows.layers; ++l)
                gelu_row(from + rows.of_x(l, n, k), rows.width, room + l * rows.width);
            float* const row = to + rows.of_result(n, k);
            for (std::int64_t w = 0; w < rows.width; ++w) {
                for (std::int64_t l = 0; l < rows.layers; ++l)
                    row[w * rows.layers + l] = room[l * rows.width + w];
            }
        });
        return out;
    }

    static variable_list backward(AutogradContext* context, const variable_list& gradients) {
        const at::Tensor x = context->get_saved_variables()[0];
        const at::Tensor gradient = gradients[0].contiguous();
        const Rows rows(x);
        at::Tensor out = at::empty_like(x);
        const float* const at = x.const_data_ptr<float>();
        const float* const from = gradient.const_data_ptr<float>();
        float* const to = out.data_ptr<float>();
        rows.for_each([&](std::int64_t n, std::int64_t k, float* room) {
            const float* const row = from + rows.of_result(n, k);
            for (std::int64_t w = 0; w < rows.width; ++w) {
                for (std::int64_t l = 0; l < rows.layers; ++l)
                    room[l * rows.width + w] = row[w * rows.layers + l];
            }
            for (std::int64_t l = 0; l < rows.layers; ++l) {
                const std::int64_t place = rows.of_x(l, n, k);
                gelu_row_backward(at + place, room + l * rows.width, rows.width, to + place);
            }
        });
        return {out};
    }
};

}  // namespace

bool has_flat_gelu(const at::Tensor& x) {
    return has_avx512() && x.is_cpu() && x.scalar_type() == at::kFloat;
}

at::Tensor flat_gelu(const at::Tensor& x) {
    return FlatGelu::apply(x);
}

#else

bool has_flat_gelu(const at::Tensor& /*x*/) {
    return false;
}

at::Tensor flat_gelu(const at::Tensor& /*x*/) {
    BV_EXPECT(false);
    return {};
}

#endif

}  // namespace bv
