#include "bert/residual_norm.hpp"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "bert/residual_norm_avx512.hpp"
#include "tensor/saved_value.hpp"
#include "tensor/simd_bfloat16.hpp"

namespace bv {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Some rows of one sequence. A thread computes one piece at a time.
struct Piece {
    std::size_t sequence;
    std::int64_t first;  ///< first row, counted within the sequence
    std::int64_t row;    ///< first row, counted among all N
    std::int64_t rows;
    KeepBits mask = {};  ///< of its (rows, H) elements

    template <typename Element>
    NormRows<Element> of(const at::Tensor& weight) const {
        return {rows, weight.numel(), mask, weight.const_data_ptr<float>()};
    }
};

std::vector<Piece> cut(const std::vector<std::int64_t>& starts) {
    constexpr std::int64_t kRows = 32;
    std::vector<Piece> pieces;
    for (std::size_t b = 0; b + 1 < starts.size(); ++b) {
        for (std::int64_t row = starts[b]; row < starts[b + 1]; row += kRows)
            pieces.push_back({b, row - starts[b], row, std::min(kRows, starts[b + 1] - row)});
    }
    return pieces;
}

/// Calls `work(piece)` for each piece, on all threads.
template <typename Pieces, typename Work>
void for_each(Pieces& pieces, const Work& work) {
    at::parallel_for(0, static_cast<std::int64_t>(pieces.size()), 1,
                     [&](std::int64_t first, std::int64_t last) {
                         for (std::int64_t i = first; i < last; ++i)
                             work(pieces[static_cast<std::size_t>(i)]);
                     });
}

/// The place of the row in a tensor of rows; null if the tensor is undefined.
template <typename T>
T* row_of(const at::Tensor& x, std::int64_t row) {
    return x.defined() ? static_cast<T*>(x.data_ptr()) + row * (x.dim() == 2 ? x.size(1) : 1) : nullptr;
}

template <typename Element>
class KernelNorm : public torch::autograd::Function<KernelNorm<Element>> {
  public:
    static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& residual,
                                 const at::Tensor& weight, const at::Tensor& bias, double epsilon,
                                 const DropoutPlan& plan) {
        const at::Tensor in = x.contiguous();
        const at::Tensor rest = residual.contiguous();
        const at::Tensor sum = at::empty_like(rest);
        const at::Tensor output = at::empty_like(rest);
        const at::Tensor rounded = in.scalar_type() == at::kFloat ? at::Tensor() : at::empty_like(in);
        const at::Tensor means = at::empty({in.size(0)}, rest.options());
        const at::Tensor deviations = at::empty_like(means);
        std::vector<Piece> pieces = cut(plan.sequences->starts);
        for_each(pieces, [&](Piece& piece) {
            piece.mask = plan.keep_bits(piece.sequence, piece.first * weight.numel(),
                                        (piece.first + piece.rows) * weight.numel());
            const std::int64_t row = piece.row;
            const NormForward<Element> pass{.x = row_of<const Element>(in, row),
                                            .residual = row_of<const float>(rest, row),
                                            .bias = bias.const_data_ptr<float>(),
                                            .epsilon = static_cast<float>(epsilon),
                                            .sum = row_of<float>(sum, row),
                                            .output = row_of<float>(output, row),
                                            .rounded = row_of<Element>(rounded, row),
                                            .means = row_of<float>(means, row),
                                            .deviations = row_of<float>(deviations, row)};
            residual_norm(piece.of<Element>(weight), pass);
        });
        context->save_for_backward({sum, means, deviations, weight});
        context->set_materialize_grads(false);
        save_value(*context, std::move(pieces));
        if (rounded.defined()) return {output, rounded};
        return {output};
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto& pieces = saved_value<std::vector<Piece>>(*context);
        const at::Tensor& sum = saved[0];
        const at::Tensor& weight = saved[3];
        for (at::Tensor& gradient : gradients) {
            if (gradient.defined()) gradient = gradient.contiguous();
        }
        const at::Tensor rounded_gradient = gradients.size() > 1 ? gradients[1] : at::Tensor();
        const at::Tensor residual_gradient = at::empty_like(sum);
        const at::Tensor x_gradient =
            at::empty(sum.sizes(), sum.options().dtype(c10::CppTypeToScalarType<Element>::value));
        const at::Tensor sums = at::zeros({at::get_num_threads(), 2, weight.numel()}, sum.options());
        for_each(pieces, [&](const Piece& piece) {
            const std::int64_t row = piece.row;
            float* own_sums = sums.data_ptr<float>() + 2 * weight.numel() * at::get_thread_num();
            const NormBackward<Element> pass{.sum = row_of<const float>(sum, row),
                                             .means = row_of<const float>(saved[1], row),
                                             .deviations = row_of<const float>(saved[2], row),
                                             .output_gradient = row_of<const float>(gradients[0], row),
                                             .rounded_gradient = row_of<const Element>(rounded_gradient, row),
                                             .x_gradient = row_of<Element>(x_gradient, row),
                                             .residual_gradient = row_of<float>(residual_gradient, row),
                                             .weight_gradient = own_sums,
                                             .bias_gradient = own_sums + weight.numel()};
            residual_norm_backward(piece.of<Element>(weight), pass);
        });
        const at::Tensor of_weight_and_bias = sums.sum(0);
        return {x_gradient, residual_gradient, of_weight_and_bias[0], of_weight_and_bias[1], {}, {}};
    }
};

template <typename Element>
HiddenState by_kernel(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                      const at::Tensor& bias, double epsilon, const DropoutPlan& plan) {
    const variable_list outputs = KernelNorm<Element>::apply(x, residual, weight, bias, epsilon, plan);
    return {outputs.front(), outputs.back()};
}

bool has_kernel([[maybe_unused]] const at::Tensor& x) {
#ifdef BV_AVX512
    return x.is_cpu() && (x.scalar_type() == at::kFloat ? has_avx512<float>() : has_avx512<c10::BFloat16>());
#else
    return false;
#endif
}

}  // namespace

HiddenState residual_norm(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                          const at::Tensor& bias, double epsilon, const DropoutPlan& plan) {
    if (has_kernel(x)) {
        return x.scalar_type() == at::kFloat
                   ? by_kernel<float>(x, residual, weight, bias, epsilon, plan)
                   : by_kernel<c10::BFloat16>(x, residual, weight, bias, epsilon, plan);
    }
    const at::Tensor values =
        at::layer_norm(dropout_add(x, residual, plan), {weight.numel()}, weight, bias, epsilon);
    return {values, values.to(x.scalar_type())};
}

}  // namespace bv
