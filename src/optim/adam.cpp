#include "optim/adam.hpp"

#include <cmath>
#include <map>

#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/zeros.h>

#include "core/error.hpp"
#include "tensor/huge_pages.hpp"

namespace bv {

Adam::Adam(FlatParameters& parameters, const AdamOptions& options)
    : parameters_(parameters),
      options_(options),
      first_moments_(zeros_in_huge_pages(parameters.values().numel(), parameters.values().options())),
      second_moments_(zeros_in_huge_pages(parameters.values().numel(), parameters.values().options())),
      steps_tensor_(at::zeros({}, parameters.values().options())) {}

void Adam::step(const std::vector<double>& rates) {
    parameters_.check();
    BV_EXPECT(static_cast<std::int64_t>(rates.size()) == parameters_.rows());
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
    std::map<double, std::vector<std::int64_t>> rows_of;  // the rows that have each rate
    for (std::size_t row = 0; row < rates.size(); ++row)
        rows_of[rates[row]].push_back(static_cast<std::int64_t>(row));
    for (const auto& [rate, own_rows] : rows_of) {
        const std::vector<std::int64_t>& rows =
            own_rows;  // with OpenMP clang cannot capture a structured binding
        const std::vector<at::Tensor> steps(rows.size(), steps_tensor_);
        for (const FlatParameters::Segment& segment : parameters_.segments()) {
            const auto parts = [&](const at::Tensor& buffer) {
                std::vector<at::Tensor> parts_of_rows;
                for (const std::int64_t row : rows) {
                    parts_of_rows.push_back(
                        buffer.narrow(0, row * parameters_.elements() + segment.offset, segment.length));
                }
                return parts_of_rows;
            };
            update(parts(parameters_.values()), parts(parameters_.gradients()), parts(first_moments_),
                   parts(second_moments_), {}, steps, rate, options_.beta1, options_.beta2,
                   segment.decay ? options_.weight_decay : 0.0, epsilon, /*amsgrad=*/false,
                   /*maximize=*/false, /*grad_scale=*/std::nullopt, /*found_inf=*/std::nullopt);
        }
    }
}

void Adam::set_steps(std::int64_t steps) {
    BV_EXPECT(steps >= 0);
    steps_ = steps;
}

void Adam::restore(std::int64_t row, const at::Tensor& first_moments, const at::Tensor& second_moments) {
    const std::int64_t elements = parameters_.elements();
    BV_EXPECT(first_moments.numel() == elements && second_moments.numel() == elements);
    first_moments_.narrow(0, row * elements, elements).copy_(first_moments);
    second_moments_.narrow(0, row * elements, elements).copy_(second_moments);
}

}  // namespace bv
