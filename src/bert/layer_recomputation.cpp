#include "bert/layer_recomputation.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "tensor/saved_value.hpp"

namespace bv {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The tensors of a state: two, or only one in float32, where the rounded state is the state itself.
variable_list tensors_of(const HiddenState& x) {
    if (x.values.is_same(x.rounded)) return {x.values};
    return {x.values, x.rounded};
}

HiddenState state_of(const variable_list& tensors) {
    return {tensors.front(), tensors.back()};
}

class Recomputation : public torch::autograd::Function<Recomputation> {
  public:
    static variable_list forward(AutogradContext* context, at::TensorList x, const EncoderLayer& layer) {
        context->save_for_backward(x.vec());
        context->set_materialize_grads(false);
        save_value(*context, layer);
        return tensors_of(layer(state_of(x.vec())));
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        variable_list inputs;
        for (const at::Tensor& x : context->get_saved_variables())
            inputs.push_back(x.detach().set_requires_grad(true));
        const at::AutoGradMode graph(true);
        variable_list outputs = tensors_of(saved_value<EncoderLayer>(*context)(state_of(inputs)));
        for (std::size_t i = outputs.size(); i-- > 0;) {
            if (gradients[i].defined()) continue;
            outputs.erase(outputs.begin() + static_cast<std::ptrdiff_t>(i));
            gradients.erase(gradients.begin() + static_cast<std::ptrdiff_t>(i));
        }
        torch::autograd::backward(outputs, gradients);
        variable_list input_gradients;
        for (const at::Tensor& x : inputs) input_gradients.push_back(x.grad());
        input_gradients.emplace_back();  // `layer` has no gradient
        return input_gradients;
    }
};

}  // namespace

HiddenState recomputed(const EncoderLayer& layer, const HiddenState& x) {
    const variable_list tensors = tensors_of(x);
    return state_of(
        Recomputation::apply(at::TensorList(tensors), layer));  // Torch finds no variables in a vector
}

}  // namespace bv
