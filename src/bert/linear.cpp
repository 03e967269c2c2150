#include "bert/linear.hpp"

#include <optional>

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>

namespace bv {
namespace {

// Torch has these operations only for its compiler: they have no C++ function, and later versions may lack
// them.
constexpr const char* kSupported = "mkldnn::_is_mkldnn_bf16_supported";
constexpr const char* kLayOut = "mkldnn::_reorder_linear_weight";
constexpr const char* kMultiply = "mkldnn::_linear_pointwise";

/// Whether this Torch has these operations and this processor supports them.
bool have_products() {
    static const bool found = [] {
        auto& all = c10::Dispatcher::singleton();
        for (const char* name : {kSupported, kLayOut, kMultiply}) {
            if (!all.findSchema({name, ""})) return false;
        }
        return all.findSchemaOrThrow(kSupported, "").typed<bool()>().call();
    }();
    return found;
}

bool has_product(const at::Tensor& x, at::ScalarType precision) {
    return x.is_cpu() && precision == at::kBFloat16 && have_products();
}

at::Tensor laid_out(const at::Tensor& weight) {
    using Op = at::Tensor(const at::Tensor&, std::optional<c10::SymInt>);
    static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow(kLayOut, "").typed<Op>();
    constexpr std::int64_t kRows =
        4096;  // rows of x, as usual in a pass; the layout suits this number best and is right for any
    return op.call(weight, c10::SymInt(kRows));
}

at::Tensor multiplied(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
    using Op =
        at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, c10::string_view,
                   c10::List<std::optional<at::Scalar>>, std::optional<c10::string_view>);
    static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow(kMultiply, "").typed<Op>();
    return op.call(x, weight, bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

class BiasedProduct : public torch::autograd::Function<BiasedProduct> {
  public:
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                              const at::Tensor& weight, const at::Tensor& bias) {
        context->save_for_backward({x, weight});
        return multiplied(x, weight, bias);
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const at::Tensor& gradient = gradients[0];
        return {gradient.mm(saved[1]), gradient.t().mm(saved[0]), gradient.sum(0)};
    }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
    return has_product(x, x.scalar_type()) ? BiasedProduct::apply(x, weight, bias)
                                           : at::linear(x, weight, bias);
}

FrozenLinear::FrozenLinear(const at::Tensor& weight, const at::Tensor& bias, at::ScalarType precision)
    : laid_out_(has_product(weight, precision)),
      weight_(weight.detach().to(precision)),
      bias_(bias.detach().to(precision)) {
    if (laid_out_) weight_ = laid_out(weight_);
}

at::Tensor FrozenLinear::operator()(const at::Tensor& x) const {
    return laid_out_ ? multiplied(x, weight_, bias_) : at::linear(x, weight_, bias_);
}

}  // namespace bv
