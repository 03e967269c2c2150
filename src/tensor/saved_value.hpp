#pragma once

#include <utility>

#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

namespace bv {

/// A value of any type that an autograd function hands from its forward to its backward pass.
template <typename T>
struct SavedValue : torch::CustomClassHolder {
    explicit SavedValue(T kept) : value(std::move(kept)) {}
    T value;
};

/// Saves `value` in `context` for the backward pass. A context can hold one such value.
template <typename T>
void save_value(torch::autograd::AutogradContext& context, T value) {
    context.saved_data["value"] =
        c10::IValue::make_capsule(c10::make_intrusive<SavedValue<T>>(std::move(value)));
}

/// The value that `save_value` saved; T must be the same.
template <typename T>
const T& saved_value(torch::autograd::AutogradContext& context) {
    return static_cast<const SavedValue<T>&>(*context.saved_data["value"].toCapsule()).value;
}

}  // namespace bv
