#include "adapter/layer_mix.hpp"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "adapter/layer_mix_kernel.hpp"

namespace bv {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Elements of a layer that are worked on together. Fixed, so that sums do not depend on the number of
/// threads.
constexpr std::int64_t kPiece = 1 << 15;

std::int64_t pieces(std::int64_t elements) {
    return (elements + kPiece - 1) / kPiece;
}

LayerElements piece_of(const at::Tensor& states, std::int64_t piece) {
    const std::int64_t stride = states[0].numel();
    const std::int64_t first = piece * kPiece;
    return {states.const_data_ptr(),         states.scalar_type(), states.size(0), stride, first,
            std::min(kPiece, stride - first)};
}

/// The elements of a piece in every layer, (L, elements) in float32.
at::Tensor as_floats(const at::Tensor& states, const LayerElements& piece) {
    return states.flatten(1).narrow(1, piece.first, piece.count).to(at::kFloat);
}

at::Tensor mixed(const at::Tensor& states, const at::Tensor& mixes) {
    const bool kernel = has_layer_mix_kernel(states.scalar_type());
    at::Tensor out = at::empty({mixes.size(0), states.size(1), states.size(2)}, mixes.options());
    const at::Tensor rows = out.flatten(1);
    at::parallel_for(0, pieces(rows.size(1)), 1, [&](std::int64_t first, std::int64_t last) {
        const at::NoGradGuard no_graph;  // of this thread
        for (std::int64_t i = first; i < last; ++i) {
            const LayerElements piece = piece_of(states, i);
            if (kernel) {
                mix_layers(piece, mixes.const_data_ptr<float>(), mixes.size(0), out.data_ptr<float>());
            } else {
                rows.narrow(1, piece.first, piece.count).copy_(at::mm(mixes, as_floats(states, piece)));
            }
        }
    });
    return out;
}

at::Tensor gradient_of_mixes(const at::Tensor& states, const at::Tensor& gradient) {
    const bool kernel = has_layer_mix_kernel(states.scalar_type());
    const at::Tensor rows = gradient.flatten(1);
    const std::int64_t count = pieces(rows.size(1));
    const at::Tensor sums = at::empty({count, rows.size(0), states.size(0)}, at::kDouble);
    at::parallel_for(0, count, 1, [&](std::int64_t first, std::int64_t last) {
        const at::NoGradGuard no_graph;  // of this thread
        for (std::int64_t i = first; i < last; ++i) {
            const LayerElements piece = piece_of(states, i);
            if (kernel) {
                mix_gradients(piece, rows.const_data_ptr<float>(), rows.size(0), sums[i].data_ptr<double>());
            } else {
                sums[i].copy_(at::mm(rows.narrow(1, piece.first, piece.count), as_floats(states, piece).t()));
            }
        }
    });
    return sums.sum(0).to(at::kFloat);
}

class InPlaceMix : public torch::autograd::Function<InPlaceMix> {
  public:
    static at::Tensor forward(AutogradContext* context, const at::Tensor& states, const at::Tensor& mixes) {
        const at::Tensor own = states.contiguous();
        context->save_for_backward({own});
        return mixed(own, mixes.contiguous());
    }

    static variable_list backward(AutogradContext* context, const variable_list& gradients) {
        return {{}, gradient_of_mixes(context->get_saved_variables()[0], gradients[0].contiguous())};
    }
};

}  // namespace

at::Tensor layer_mix(const at::Tensor& states, const at::Tensor& mixes) {
    if (states.is_cpu() && mixes.scalar_type() == at::kFloat && !states.requires_grad()) {
        return InPlaceMix::apply(states, mixes);
    }
    return at::mm(mixes, states.to(mixes.scalar_type()).reshape({states.size(0), -1}))
        .view({mixes.size(0), states.size(1), states.size(2)});
}

}  // namespace bv
