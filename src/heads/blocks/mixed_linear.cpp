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

/// Rows of states that are worked on together: so few that their mixes for twenty heads stay in the second
/// cache of a core.
constexpr std::int64_t kTile = 8;

/// Parts of the rows whose gradients are summed one by one, so that the sums do not depend on the number of
/// threads.
constexpr std::int64_t kParts = 16;

/// Outputs of the linear layer: those of the last layer of every head.
constexpr std::int64_t kOutputs = 2;

BV_AVX512_BEGIN

/// out[n, o] = sum_w rows[n, w] * weights[o, w] for kRows rows.
template <int kRows>
void multiply(const float* rows, const float* weights, std::int64_t width, float* out) {
    __m512 sums[kRows][kOutputs];
    for (auto& of_row : sums) {
        for (__m512& sum : of_row) sum = _mm512_setzero_ps();
    }
    for (std::int64_t w = 0; w < width; w += simd::kLanes) {
        const __mmask16 lanes = simd::first_lanes(width - w);
        const __m512 first = simd::load(weights + w, lanes);
        const __m512 second = simd::load(weights + width + w, lanes);
        for (int n = 0; n < kRows; ++n) {
            const __m512 row = simd::load(rows + n * width + w, lanes);
            sums[n][0] = _mm512_fmadd_ps(row, first, sums[n][0]);
            sums[n][1] = _mm512_fmadd_ps(row, second, sums[n][1]);
        }
    }
    for (int n = 0; n < kRows; ++n) {
        for (int o = 0; o < kOutputs; ++o) out[n * kOutputs + o] = _mm512_reduce_add_ps(sums[n][o]);
    }
}

/// sums[o, w] += sum_n factors[n, o] * rows[n, w] for `count` rows.
void add_rows(const float* rows, const float* factors, std::int64_t count, std::int64_t width, float* sums) {
    for (std::int64_t w = 0; w < width; w += simd::kLanes) {
        const __mmask16 lanes = simd::first_lanes(width - w);
        __m512 first = simd::load(sums + w, lanes);
        __m512 second = simd::load(sums + width + w, lanes);
        for (std::int64_t n = 0; n < count; ++n) {
            const __m512 row = simd::load(rows + n * width + w, lanes);
            first = _mm512_fmadd_ps(_mm512_set1_ps(factors[n * kOutputs]), row, first);
            second = _mm512_fmadd_ps(_mm512_set1_ps(factors[n * kOutputs + 1]), row, second);
        }
        simd::store(sums + w, first, lanes);
        simd::store(sums + width + w, second, lanes);
    }
}

/// rows[n, w] = sum_o factors[n, o] * weights[o, w] for `count` rows.
void combine(const float* factors, const float* weights, std::int64_t count, std::int64_t width,
             float* rows) {
    for (std::int64_t w = 0; w < width; w += simd::kLanes) {
        const __mmask16 lanes = simd::first_lanes(width - w);
        const __m512 first = simd::load(weights + w, lanes);
        const __m512 second = simd::load(weights + width + w, lanes);
        for (std::int64_t n = 0; n < count; ++n) {
            const __m512 row = _mm512_mul_ps(_mm512_set1_ps(factors[n * kOutputs]), first);
            simd::store(rows + n * width + w,
                        _mm512_fmadd_ps(_mm512_set1_ps(factors[n * kOutputs + 1]), second, row), lanes);
        }
    }
}

BV_AVX512_END

/// The tensors of one call, as the tiles see them.
class Tiles {
  public:
    Tiles(const at::Tensor& states, const at::Tensor& mixes, const at::Tensor& weights)
        : states_(states),
          mixes_(mixes.const_data_ptr<float>()),
          weights_(weights.const_data_ptr<float>()),
          heads_(weights.size(0)),
          width_(weights.size(2)),
          rows_(states.size(1)) {}

    std::int64_t count() const { return (rows_ + kTile - 1) / kTile; }

    /// Memory for the mixes of one tile: (K, kTile, W).
    std::vector<float> room() const {
        return std::vector<float>(static_cast<std::size_t>(heads_ * stride()));
    }

    /// Computes the outputs of a tile's rows into `out` (K, N, 2).
    void forward(std::int64_t tile, std::vector<float>& mixed, float* out) const {
        const LayerElements elements = mix(tile, mixed);
        const std::int64_t first = tile * kTile;
        const std::int64_t count = elements.count / width_;
        for (std::int64_t k = 0; k < heads_; ++k) {
            const float* rows = mixed.data() + k * stride();
            const float* weights = weights_ + k * kOutputs * width_;
            float* to = out + (k * rows_ + first) * kOutputs;
            if (count == kTile) {
                multiply<kTile>(rows, weights, width_, to);
            } else {
                for (std::int64_t n = 0; n < count; ++n)
                    multiply<1>(rows + n * width_, weights, width_, to + n * kOutputs);
            }
        }
    }

    /// Adds the gradients of a tile's rows to those of the mixes, (K, L), and of the weights, (K, 2, W).
    /// `gradient` (K, N, 2) is that of the outputs.
    void backward(std::int64_t tile, std::vector<float>& mixed, const float* gradient, double* of_mixes,
                  float* of_weights) const {
        const LayerElements elements = mix(tile, mixed);
        const std::int64_t count = elements.count / width_;
        for (std::int64_t k = 0; k < heads_; ++k) {
            float* rows = mixed.data() + k * stride();
            const float* own = gradient + (k * rows_ + tile * kTile) * kOutputs;
            add_rows(rows, own, count, width_, of_weights + k * kOutputs * width_);
            // The mixes have served; their gradients take their place.
            combine(own, weights_ + k * kOutputs * width_, count, width_, rows);
        }
        std::vector<double> sums(static_cast<std::size_t>(heads_ * elements.layers));
        mix_gradients(elements, {mixed.data(), stride(), heads_}, sums.data());
        for (std::size_t i = 0; i < sums.size(); ++i) of_mixes[i] += sums[i];
    }

  private:
    std::int64_t stride() const { return kTile * width_; }

    LayerElements mix(std::int64_t tile, std::vector<float>& mixed) const {
        const std::int64_t first = tile * kTile;
        const LayerElements elements{.states = states_.const_data_ptr(),
                                     .type = states_.scalar_type(),
                                     .layers = states_.size(0),
                                     .width = width_,
                                     .stride = rows_ * width_,
                                     .first = first * width_,
                                     .count = std::min(kTile, rows_ - first) * width_};
        mix_layers(elements, mixes_, {mixed.data(), stride(), heads_});
        return elements;
    }

    const at::Tensor& states_;  // (L, N, W), in float8 (L, N, 4 + W)
    const float* mixes_;        // (K, L)
    const float* weights_;      // (K, 2, W)
    std::int64_t heads_, width_, rows_;
};

/// The sum of parts (P, ...), one after the other.
at::Tensor sum_in_order(const at::Tensor& parts) {
    at::Tensor sum = parts[0].clone();
    for (std::int64_t part = 1; part < parts.size(0); ++part) sum += parts[part];
    return sum;
}

class MixedLinear : public torch::autograd::Function<MixedLinear> {
  public:
    static at::Tensor forward(AutogradContext* context, const at::Tensor& states, const at::Tensor& mixes,
                              const at::Tensor& weights) {
        const at::Tensor own = states.contiguous();
        const at::Tensor own_mixes = mixes.contiguous();
        const at::Tensor own_weights = weights.contiguous();
        context->save_for_backward({own, own_mixes, own_weights});
        const Tiles tiles(own, own_mixes, own_weights);
        at::Tensor out = at::empty({weights.size(0), own.size(1), weights.size(1)}, weights.options());
        float* to = out.data_ptr<float>();
        at::parallel_for(0, tiles.count(), 1, [&](std::int64_t first, std::int64_t last) {
            std::vector<float> mixed = tiles.room();
            for (std::int64_t tile = first; tile < last; ++tile) tiles.forward(tile, mixed, to);
        });
        return out;
    }

    static variable_list backward(AutogradContext* context, const variable_list& gradients) {
        const variable_list saved = context->get_saved_variables();
        const Tiles tiles(saved[0], saved[1], saved[2]);
        const at::Tensor gradient = gradients[0].contiguous();
        const at::Tensor of_mixes =
            at::zeros({kParts, saved[1].size(0), saved[1].size(1)}, saved[1].options().dtype(at::kDouble));
        const at::Tensor of_weights =
            at::zeros({kParts, saved[2].size(0), saved[2].size(1), saved[2].size(2)}, saved[2].options());
        const float* from = gradient.const_data_ptr<float>();
        const auto begin_of = [&](std::int64_t part) { return part * tiles.count() / kParts; };
        double* mixes_to = of_mixes.data_ptr<double>();
        float* weights_to = of_weights.data_ptr<float>();
        at::parallel_for(0, kParts, 1, [&](std::int64_t first, std::int64_t last) {
            std::vector<float> mixed = tiles.room();
            for (std::int64_t part = first; part < last; ++part) {
                for (std::int64_t tile = begin_of(part); tile < begin_of(part + 1); ++tile) {
                    tiles.backward(tile, mixed, from, mixes_to + part * of_mixes.stride(0),
                                   weights_to + part * of_weights.stride(0));
                }
            }
        });
        return {{}, sum_in_order(of_mixes).to(at::kFloat), sum_in_order(of_weights)};
    }
};

}  // namespace

bool has_mixed_linear(const at::Tensor& states, const at::Tensor& weights) {
    return states.is_cpu() && states.size(0) == 1 && !states.requires_grad() &&
           has_layer_mix_kernel(states.scalar_type()) && weights.scalar_type() == at::kFloat &&
           weights.size(1) == kOutputs;
}

at::Tensor mixed_linear(const at::Tensor& states, const at::Tensor& mixes, const at::Tensor& weights) {
    return MixedLinear::apply(states[0], mixes, weights);
}

#else

bool has_mixed_linear(const at::Tensor& /*states*/, const at::Tensor& /*weights*/) {
    return false;
}

at::Tensor mixed_linear(const at::Tensor& /*states*/, const at::Tensor& /*mixes*/,
                        const at::Tensor& /*weights*/) {
    BV_EXPECT(false);
    return {};
}

#endif

}  // namespace bv
