#include "heads/blocks/layer_mix.hpp"

#include <algorithm>
#include <functional>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "heads/blocks/layer_mix_kernel.hpp"
#include "heads/blocks/stacked.hpp"
#include "tensor/float8.hpp"

namespace bv {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool is_float8(const at::Tensor& states) {
    return states.scalar_type() == at::kByte;
}

/// W of states (L, N, W), or (L, N, 4 + W) in float8.
std::int64_t width_of(const at::Tensor& states) {
    return states.size(2) - (is_float8(states) ? kFloat8ScaleBytes : 0);
}

/// How many elements of a layer are worked on together, in float8 those of whole rows. On CPUs the number is
/// fixed, so that sums do not depend on the number of threads. On GPUs it is such that the converted elements
/// fit into the cache.
std::int64_t piece_size(const at::Tensor& states) {
    const std::int64_t most = states.is_cpu() ? 1 << 15 : 1 << 18;
    if (!is_float8(states)) return most;
    const std::int64_t width = width_of(states);
    return std::max<std::int64_t>(most / width, 1) * width;
}

std::int64_t pieces(const at::Tensor& states) {
    const std::int64_t size = piece_size(states);
    return (states.size(1) * width_of(states) + size - 1) / size;
}

/// Calls `work` with each piece of the elements and the place of the piece.
void for_each_piece(const at::Tensor& states,
                    const std::function<void(std::int64_t, const LayerElements&)>& work) {
    const std::int64_t size = piece_size(states);
    const std::int64_t width = width_of(states);
    const std::int64_t stride = states.size(1) * width;
    const auto range = [&](std::int64_t first, std::int64_t last) {
        const c10::NoGradGuard no_graph;  // it holds for this thread only
        for (std::int64_t i = first; i < last; ++i) {
            work(i, {states.const_data_ptr(), states.scalar_type(), states.size(0), width, stride, i * size,
                     std::min(size, stride - i * size)});
        }
    };
    if (states.is_cpu()) {
        at::parallel_for(0, pieces(states), 1, range);
    } else {
        range(0, pieces(states));
    }
}

bool has_kernel(const at::Tensor& states) {
    return states.is_cpu() && has_layer_mix_kernel(states.scalar_type());
}

/// The elements of one piece in all layers: (L, elements) in float32.
at::Tensor as_floats(const at::Tensor& states, const LayerElements& piece) {
    if (is_float8(states)) {
        return decoded(states.narrow(1, piece.first / piece.width, piece.count / piece.width)).flatten(1);
    }
    return states.flatten(1).narrow(1, piece.first, piece.count).to(at::kFloat);
}

at::Tensor mixed(const at::Tensor& states, const at::Tensor& mixes) {
    at::Tensor out = at::empty({mixes.size(0), states.size(1), width_of(states)}, mixes.options());
    const at::Tensor rows = out.flatten(1);
    for_each_piece(states, [&](std::int64_t /*place*/, const LayerElements& piece) {
        if (has_kernel(states)) {
            mix_layers(piece, mixes.const_data_ptr<float>(),
                       {out.data_ptr<float>() + piece.first, piece.stride, mixes.size(0)});
        } else {
            rows.narrow(1, piece.first, piece.count).copy_(at::mm(mixes, as_floats(states, piece)));
        }
    });
    return out;
}

at::Tensor gradient_of_mixes(const at::Tensor& states, const at::Tensor& gradient) {
    const at::Tensor rows = gradient.flatten(1);
    const at::Tensor sums =
        at::empty({pieces(states), rows.size(0), states.size(0)}, rows.options().dtype(at::kDouble));
    for_each_piece(states, [&](std::int64_t place, const LayerElements& piece) {
        if (has_kernel(states)) {
            mix_gradients(piece, {rows.const_data_ptr<float>() + piece.first, piece.stride, rows.size(0)},
                          sums[place].data_ptr<double>());
        } else {
            sums[place].copy_(at::mm(rows.narrow(1, piece.first, piece.count), as_floats(states, piece).t()));
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
    if (states.size(0) == 1 && mixes.scalar_type() == at::kFloat && !states.requires_grad()) {
        return InPlaceMix::apply(states[0], mixes);
    }
    BV_EXPECT(!is_float8(states));
    const at::Tensor own = for_each_head(states.to(mixes.scalar_type()), mixes.size(0));
    return products(mixes.unsqueeze(1), own.flatten(2)).view({mixes.size(0), states.size(2), states.size(3)});
}

}  // namespace bv
