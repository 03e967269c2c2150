#include "optim/adam.hpp"

#include <cmath>

#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>

#include "core/error.hpp"
#include "optim/huge_pages.hpp"

namespace bv {

AdamKind adam_named(std::string_view name) {
    if (name == "adam") return AdamKind::adam;
    if (name == "adamw") return AdamKind::adamw;
    fail("'{}' is no optimizer; known: adam, adamw", name);
}

EpsilonKind epsilon_named(std::string_view name) {
    if (name == "torch") return EpsilonKind::torch;
    if (name == "keras") return EpsilonKind::keras;
    fail("'{}' is no place of epsilon; known: torch, keras", name);
}

Adam::Adam(FlatParameters& parameters, const AdamOptions& options)
    : parameters_(parameters),
      options_(options),
      first_moments_(zeros_in_huge_pages(parameters.elements(), parameters.values().options())),
      second_moments_(zeros_in_huge_pages(parameters.elements(), parameters.values().options())),
      steps_tensor_(at::zeros({}, parameters.values().options())) {}

void Adam::step(double rate) {
    parameters_.check();
    ++steps_;
    steps_tensor_.fill_(static_cast<double>(steps_));
    double epsilon = options_.epsilon;
    if (options_.epsilon_kind == EpsilonKind::keras) {
        epsilon /= std::sqrt(1.0 - std::pow(options_.beta2, static_cast<double>(steps_)));
    }
    const auto update =
        options_.kind == AdamKind::adam
            ? static_cast<decltype(&at::_ops::_fused_adam_::call)>(&at::_ops::_fused_adam_::call)
            : &at::_ops::_fused_adamw_::call;
    for (const FlatParameters::Segment& segment : parameters_.segments()) {
        const auto part = [&](const at::Tensor& buffer) {
            return buffer.narrow(0, segment.offset, segment.length);
        };
        update({part(parameters_.values())}, {part(parameters_.gradients())}, {part(first_moments_)},
               {part(second_moments_)}, {}, {steps_tensor_}, rate, options_.beta1, options_.beta2,
               segment.decay ? options_.weight_decay : 0.0, epsilon, /*amsgrad=*/false, /*maximize=*/false,
               /*grad_scale=*/std::nullopt, /*found_inf=*/std::nullopt);
    }
}

void Adam::restore(std::int64_t steps, const at::Tensor& first_moments, const at::Tensor& second_moments) {
    BV_EXPECT(steps >= 0 && first_moments.sizes() == first_moments_.sizes() &&
              second_moments.sizes() == second_moments_.sizes());
    steps_ = steps;
    first_moments_.copy_(first_moments);
    second_moments_.copy_(second_moments);
}

}  // namespace bv
