#include <cmath>

#include <ATen/ATen.h>

#include "bert/attention/attention.hpp"
#include "tensor/saved_value.hpp"

namespace bv {
namespace {

/// The rows of sequence b as (3, A, T, D): a view.
at::Tensor by_head(const at::Tensor& query_key_value, const DropoutPlan& plan, std::size_t b,
                   std::int64_t heads) {
    const std::int64_t tokens = plan.sequences->rows_of(b);
    const std::int64_t head_size = query_key_value.size(1) / 3 / heads;
    return query_key_value.narrow(0, plan.sequences->starts[b], tokens)
        .view({tokens, 3, heads, head_size})
        .permute({1, 2, 0, 3});
}

/// The rows of sequence b of an (N, H) tensor as (A, T, D): a view.
at::Tensor merged_by_head(const at::Tensor& merged, const DropoutPlan& plan, std::size_t b,
                          std::int64_t heads) {
    const std::int64_t tokens = plan.sequences->rows_of(b);
    return merged.narrow(0, plan.sequences->starts[b], tokens)
        .view({tokens, heads, merged.size(1) / heads})
        .permute({1, 0, 2});
}

/// `values` with sequence b's mask applied, in `precision`.
at::Tensor dropped(const at::Tensor& values, at::ScalarType precision, const DropoutPlan& plan,
                   std::size_t b) {
    if (plan.p == 0) return values.to(precision);
    at::Tensor result = at::empty(values.sizes(), values.options().dtype(precision));
    apply_dropout_mask(values, result, plan.stream(b));
    return result;
}

double scale_of(const at::Tensor& query_key_value, std::int64_t heads) {
    return 1.0 / std::sqrt(static_cast<double>(query_key_value.size(1) / 3 / heads));
}

/// Keeps the probabilities (A, T, T) of each sequence for the backward pass, which draws their mask again, so
/// that no mask is stored. Keys outside a sequence are never multiplied.
class PlainAttention : public torch::autograd::Function<PlainAttention> {
  public:
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& query_key_value,
                              std::int64_t heads, const DropoutPlan& plan, bool keep) {
        const double scale = scale_of(query_key_value, heads);
        at::Tensor output =
            at::empty({query_key_value.size(0), query_key_value.size(1) / 3}, query_key_value.options());
        torch::autograd::variable_list saved{query_key_value};
        for (std::size_t b = 0; b < plan.sequences->examples.size(); ++b) {
            const at::Tensor parts = by_head(query_key_value, plan, b, heads);
            const at::Tensor probabilities =
                at::bmm(parts[0] * scale, parts[1].transpose(1, 2)).to(at::kFloat).softmax(-1);
            const at::Tensor used = dropped(probabilities, query_key_value.scalar_type(), plan, b);
            merged_by_head(output, plan, b, heads).copy_(at::bmm(used, parts[2]));
            if (keep) saved.push_back(probabilities);
        }
        context->save_for_backward(saved);
        context->saved_data["heads"] = heads;
        save_value(*context, plan);
        return output;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const at::Tensor& query_key_value = saved[0];
        const auto& plan = saved_value<DropoutPlan>(*context);
        const std::int64_t heads = context->saved_data["heads"].toInt();
        const double scale = scale_of(query_key_value, heads);
        const at::ScalarType precision = query_key_value.scalar_type();
        const at::Tensor output_gradient = gradients[0].contiguous();
        at::Tensor result = at::empty_like(query_key_value);
        for (std::size_t b = 0; b < plan.sequences->examples.size(); ++b) {
            const at::Tensor parts = by_head(query_key_value, plan, b, heads);
            const at::Tensor result_parts = by_head(result, plan, b, heads);
            const at::Tensor outer = merged_by_head(output_gradient, plan, b, heads);
            const at::Tensor& probabilities = saved[b + 1];
            const at::Tensor used = dropped(probabilities, precision, plan, b);
            result_parts[2].copy_(at::bmm(used.transpose(1, 2), outer));
            const at::Tensor inner = dropped(at::bmm(outer, parts[2].transpose(1, 2)), at::kFloat, plan, b);
            const at::Tensor scores =
                at::_softmax_backward_data(inner, probabilities, -1, at::kFloat).to(precision);
            result_parts[0].copy_(at::bmm(scores, parts[1]).mul_(scale));
            result_parts[1].copy_(at::bmm(scores.transpose(1, 2), parts[0] * scale));
        }
        return {result, {}, {}, {}};
    }
};

}  // namespace

at::Tensor plain_attention(const at::Tensor& query_key_value, std::int64_t heads,
                           const DropoutPlan& dropout) {
    // This does not use scaled_dot_product_attention, which on CPUs multiplies bfloat16 in float32.
    return PlainAttention::apply(query_key_value, heads, dropout, at::GradMode::is_enabled());
}

}  // namespace bv
