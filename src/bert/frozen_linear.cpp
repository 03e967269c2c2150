#include "bert/frozen_linear.hpp"

#include <optional>

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

namespace bv {
namespace {

// Torch has both for its compiler alone, without a name in C++ or a promise to keep them.
constexpr const char* kLayOut = "mkldnn::_reorder_linear_weight";
constexpr const char* kMultiply = "mkldnn::_linear_pointwise";

bool can_lay_out() {
    const auto has = [](const char* name) {
        return c10::Dispatcher::singleton().findSchema({name, ""}).has_value();
    };
    return at::hasMKLDNN() && has(kLayOut) && has(kMultiply);
}

at::Tensor laid_out(const at::Tensor& weight) {
    using Op = at::Tensor(const at::Tensor&, std::optional<c10::SymInt>);
    static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow(kLayOut, "").typed<Op>();
    constexpr std::int64_t kRows =
        4096;  // of x, as usual in a pass: the layout is best for it, right for any
    return op.call(weight, c10::SymInt(kRows));
}

at::Tensor multiplied(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
    using Op =
        at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, c10::string_view,
                   c10::List<std::optional<at::Scalar>>, std::optional<c10::string_view>);
    static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow(kMultiply, "").typed<Op>();
    return op.call(x, weight, bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

}  // namespace

FrozenLinear::FrozenLinear(const at::Tensor& weight, const at::Tensor& bias, at::ScalarType precision)
    : laid_out_(weight.is_cpu() && precision == at::kBFloat16 && can_lay_out()),
      weight_(weight.detach().to(precision)),
      bias_(bias.detach().to(precision)) {
    if (laid_out_) weight_ = laid_out(weight_);
}

at::Tensor FrozenLinear::operator()(const at::Tensor& x) const {
    return laid_out_ ? multiplied(x, weight_, bias_) : at::linear(x, weight_, bias_);
}

}  // namespace bv
