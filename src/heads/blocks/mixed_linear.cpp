#include "heads/blocks/mixed_linear.hpp"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.hpp"
#include "heads/blocks/layer_mix_kernel.hpp"
#include "tensor/simd.hpp"

namespace bv {

#ifdef BV_AVX512
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Rows and columns of a layer that are worked on together for the gradients: so few that they stay in the
/// first cache of a core, and the sums of twenty heads in the second one.
constexpr std::int64_t kRows = 32;
constexpr std::int64_t kColumns = 128;

BV_AVX512_BEGIN

/// sums[k, o, c] += sum_n factors[k, o, n] * rows[n, c] for the kColumns columns c of `count` rows and for
/// kHeads heads, kVectors vectors of columns at a time: as many sums as the registers hold. `stride` is the
/// number of factors of an output. The sums are the same for any number of heads.
template <int kHeads, int kVectors>
void add_row_products(const float* rows, const float* factors, std::int64_t stride, std::int64_t count,
                      float* sums) {
    static_assert(kColumns % (kVectors * simd::kLanes) == 0);
    for (std::int64_t c = 0; c < kColumns; c += kVectors * simd::kLanes) {
        __m512 own[kHeads * kLinearOutputs][kVectors];
        for (auto& of_output : own) {
            for (__m512& sum : of_output) sum = _mm512_setzero_ps();
        }
        for (std::int64_t n = 0; n < count; ++n) {
            __m512 row[kVectors];
            for (int v = 0; v < kVectors; ++v)
                row[v] = simd::load(rows + n * kColumns + c + v * simd::kLanes);
            for (int i = 0; i < kHeads * kLinearOutputs; ++i) {
                const float factor = factors[i * stride + n];
                for (int v = 0; v < kVectors; ++v)
                    own[i][v] = _mm512_fmadd_ps(_mm512_set1_ps(factor), row[v], own[i][v]);
            }
        }
        for (int i = 0; i < kHeads * kLinearOutputs; ++i) {
            for (int v = 0; v < kVectors; ++v) {
                float* const to = sums + i * kColumns + c + v * simd::kLanes;
                simd::store(to, _mm512_add_ps(simd::load(to), own[i][v]));
            }
        }
    }
}

BV_AVX512_END

/// Rows [first, first + count) of states (L, N, W), in float8 (L, N, 4 + W).
LayerElements rows_of(const at::Tensor& states, std::int64_t width, std::int64_t first, std::int64_t count) {
    return {.states = states.const_data_ptr(),
            .type = states.scalar_type(),
            .layers = states.size(0),
            .width = width,
            .stride = states.size(1) * width,
            .first = first * width,
            .count = count * width};
}

/// sum_n gradient[k, o, n] * states[l, n, w], as (L, K, 2, W) in float32, for states (L, N, W), in float8 (L,
/// N, 4 + W), and gradient (K, 2, N) of the linear layer's output. The gradients of mixes and weights follow
/// from it, so that the backward pass reads the states only for this. Each of its values is summed by one
/// thread.
at::Tensor products_with_states(const at::Tensor& states, const at::Tensor& gradient, std::int64_t width) {
    const std::int64_t heads = gradient.size(0);
    const std::int64_t rows = gradient.size(2);
    const std::int64_t blocks = (width + kColumns - 1) / kColumns;
    at::Tensor out = at::empty({states.size(0), heads, kLinearOutputs, width}, gradient.options());
    const float* const factors = gradient.const_data_ptr<float>();
    const auto add_block = [&](std::int64_t layer, std::int64_t column, float* block, float* sums) {
        for (std::int64_t first = 0; first < rows; first += kRows) {
            const std::int64_t count = std::min(kRows, rows - first);
            read_columns(rows_of(states, width, first, count), layer, column, kColumns, block);
            for (std::int64_t k = 0; k < heads;) {
                const float* const own = factors + k * kLinearOutputs * rows + first;
                float* const to = sums + k * kLinearOutputs * kColumns;
                if (heads - k >= 4) {
                    add_row_products<4, 2>(block, own, rows, count, to);
                    k += 4;
                } else {
                    add_row_products<1, 4>(block, own, rows, count, to);
                    ++k;
                }
            }
        }
    };
    at::parallel_for(0, states.size(0) * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
        std::vector<float> block(kRows * kColumns);
        std::vector<float> sums(static_cast<std::size_t>(heads * kLinearOutputs * kColumns));
        for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t layer = i / blocks;
            const std::int64_t column = i % blocks * kColumns;
            std::ranges::fill(sums, 0.0F);
            add_block(layer, column, block.data(), sums.data());
            for (std::int64_t row = 0; row < heads * kLinearOutputs; ++row) {
                std::copy_n(sums.data() + row * kColumns, std::min(kColumns, width - column),
                            out.data_ptr<float>() + (layer * heads * kLinearOutputs + row) * width + column);
            }
        }
    });
    return out;
}

/// The sum of parts (P, ...), one after the other.
at::Tensor sum_in_order(const at::Tensor& parts) {
    at::Tensor sum = parts[0].clone();
    for (std::int64_t part = 1; part < parts.size(0); ++part) sum += parts[part];
    return sum;
}

class MixedLinear : public torch::autograd::Function<MixedLinear> {
  public:
    /// Returns (K, 2, N).
    static at::Tensor forward(AutogradContext* context, const at::Tensor& states, const at::Tensor& mixes,
                              const at::Tensor& weights, const at::Tensor& biases) {
        const at::Tensor own = states.contiguous();
        const at::Tensor own_mixes = mixes.contiguous();
        const at::Tensor own_weights = weights.contiguous();
        const at::Tensor own_biases = biases.contiguous();
        context->save_for_backward({own, own_mixes, own_weights});
        const std::int64_t rows = own.size(1);
        at::Tensor out = at::empty({weights.size(0), kLinearOutputs, rows}, weights.options());
        const LinearMixes linear{weights.size(0), own_mixes.const_data_ptr<float>(),
                                 own_weights.const_data_ptr<float>(), own_biases.const_data_ptr<float>()};
        at::parallel_for(0, rows, kTileRows, [&](std::int64_t first, std::int64_t last) {
            multiply_mixes(rows_of(own, weights.size(2), first, last - first), linear,
                           out.data_ptr<float>() + first, rows);
        });
        return out;
    }

    static variable_list backward(AutogradContext* context, const variable_list& gradients) {
        const variable_list saved = context->get_saved_variables();
        const at::Tensor& mixes = saved[1];
        const at::Tensor& weights = saved[2];
        const at::Tensor gradient = gradients[0].contiguous();
        const at::Tensor products = products_with_states(saved[0], gradient, weights.size(2));
        const at::Tensor of_mixes = (products * weights).flatten(2).sum(2).t();
        const at::Tensor of_weights = sum_in_order(products * mixes.t().unsqueeze(2).unsqueeze(3));
        return {{}, of_mixes, of_weights, gradient.sum(2)};
    }
};

}  // namespace

bool has_mixed_linear(const at::Tensor& states, const at::Tensor& weights) {
    return states.is_cpu() && states.size(0) == 1 && !states.requires_grad() &&
           has_layer_mix_kernel(states.scalar_type()) && weights.scalar_type() == at::kFloat &&
           weights.size(1) == kLinearOutputs;
}

at::Tensor mixed_linear(const at::Tensor& states, const at::Tensor& mixes, const at::Tensor& weights,
                        const at::Tensor& biases) {
    return MixedLinear::apply(states[0], mixes, weights, biases).transpose(1, 2);
}

#else

bool has_mixed_linear(const at::Tensor& /*states*/, const at::Tensor& /*weights*/) {
    return false;
}

at::Tensor mixed_linear(const at::Tensor& /*states*/, const at::Tensor& /*mixes*/,
                        const at::Tensor& /*weights*/, const at::Tensor& /*biases*/) {
    BV_EXPECT(false);
    return {};
}

#endif

}  // namespace bv
