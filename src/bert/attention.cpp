#include "bert/attention.hpp"

#include <cmath>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.hpp"

namespace bv {
namespace {

/// The rows of sequence b as (3, A, T, D): a view.
at::Tensor by_head(const at::Tensor& query_key_value, const std::vector<std::int64_t>& starts, std::size_t b,
                   std::int64_t heads) {
    const std::int64_t tokens = starts[b + 1] - starts[b];
    const std::int64_t head_size = query_key_value.size(1) / 3 / heads;
    return query_key_value.narrow(0, starts[b], tokens)
        .view({tokens, 3, heads, head_size})
        .permute({1, 2, 0, 3});
}

/// The rows of sequence b of an (N, H) tensor as (A, T, D): a view.
at::Tensor merged_by_head(const at::Tensor& merged, const std::vector<std::int64_t>& starts, std::size_t b,
                          std::int64_t heads) {
    const std::int64_t tokens = starts[b + 1] - starts[b];
    return merged.narrow(0, starts[b], tokens)
        .view({tokens, heads, merged.size(1) / heads})
        .permute({1, 0, 2});
}

/// `values` with one example's attention mask applied, in `precision`.
at::Tensor dropped(const at::Tensor& values, at::ScalarType precision, double p, const DropoutKey& key,
                   std::int64_t layer, std::int64_t example) {
    if (p == 0) return values.to(precision);
    at::Tensor result = at::empty(values.sizes(), values.options().dtype(precision));
    apply_dropout_mask(values, result, p, key, layer, DropoutSite::attention, example);
    return result;
}

/// The scaled products of queries and keys of one sequence, softmaxed: (A, T, T) in float32.
at::Tensor probabilities_of(const at::Tensor& parts, double scale) {
    return at::bmm(parts[0] * scale, parts[1].transpose(1, 2)).to(at::kFloat).softmax(-1);
}

double scale_of(const at::Tensor& query_key_value, std::int64_t heads) {
    return 1.0 / std::sqrt(static_cast<double>(query_key_value.size(1) / 3 / heads));
}

/// Attention for training. It keeps the probabilities (A, T, T) of each sequence and draws their mask again
/// backward, so that no (A, T, T) mask is stored and no key outside the sequence is ever multiplied. Products
/// run in the precision of the input, softmax and dropout in float32.
class TrainingAttention : public torch::autograd::Function<TrainingAttention> {
  public:
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& query_key_value,
                              const Batch& batch, std::int64_t heads, std::int64_t layer, double p,
                              const DropoutKey* dropout) {
        const std::int64_t hidden = query_key_value.size(1) / 3;
        const double scale = scale_of(query_key_value, heads);
        const at::ScalarType precision = query_key_value.scalar_type();
        const DropoutKey key = dropout == nullptr ? DropoutKey{} : *dropout;
        at::Tensor output = at::empty({query_key_value.size(0), hidden}, query_key_value.options());
        torch::autograd::variable_list saved{query_key_value};
        for (std::size_t b = 0; b < batch.examples.size(); ++b) {
            const at::Tensor parts = by_head(query_key_value, batch.starts, b, heads);
            const at::Tensor probabilities = probabilities_of(parts, scale);
            const at::Tensor used = dropped(probabilities, precision, p, key, layer, batch.examples[b]);
            merged_by_head(output, batch.starts, b, heads).copy_(at::bmm(used, parts[2]));
            saved.push_back(probabilities);
        }
        context->save_for_backward(saved);
        context->saved_data["starts"] = batch.starts;
        context->saved_data["examples"] = batch.examples;
        context->saved_data["heads"] = heads;
        context->saved_data["layer"] = layer;
        context->saved_data["p"] = p;
        context->saved_data["seed"] = static_cast<std::int64_t>(key.seed);
        context->saved_data["step"] = key.step;
        return output;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const at::Tensor& query_key_value = saved[0];
        const auto starts = context->saved_data["starts"].toIntVector();
        const auto examples = context->saved_data["examples"].toIntVector();
        const std::int64_t heads = context->saved_data["heads"].toInt();
        const std::int64_t layer = context->saved_data["layer"].toInt();
        const double p = context->saved_data["p"].toDouble();
        const DropoutKey key{static_cast<std::uint64_t>(context->saved_data["seed"].toInt()),
                             context->saved_data["step"].toInt()};
        const double scale = scale_of(query_key_value, heads);
        const at::ScalarType precision = query_key_value.scalar_type();
        const at::Tensor output_gradient = gradients[0].contiguous();
        at::Tensor result = at::empty_like(query_key_value);
        for (std::size_t b = 0; b < examples.size(); ++b) {
            const at::Tensor parts = by_head(query_key_value, starts, b, heads);
            const at::Tensor result_parts = by_head(result, starts, b, heads);
            const at::Tensor outer = merged_by_head(output_gradient, starts, b, heads);
            const at::Tensor& probabilities = saved[b + 1];
            const at::Tensor used = dropped(probabilities, precision, p, key, layer, examples[b]);
            result_parts[2].copy_(at::bmm(used.transpose(1, 2), outer));
            const at::Tensor inner =
                dropped(at::bmm(outer, parts[2].transpose(1, 2)), at::kFloat, p, key, layer, examples[b]);
            const at::Tensor scores =
                at::_softmax_backward_data(inner, probabilities, -1, at::kFloat).to(precision);
            result_parts[0].copy_(at::bmm(scores, parts[1]).mul_(scale));
            result_parts[1].copy_(at::bmm(scores.transpose(1, 2), parts[0] * scale));
        }
        return {result, {}, {}, {}, {}, {}};
    }
};

}  // namespace

at::Tensor packed_attention(const at::Tensor& query_key_value, const Batch& batch, std::int64_t heads,
                            std::int64_t layer, double p, const DropoutKey* dropout) {
    if (at::GradMode::is_enabled()) {
        return TrainingAttention::apply(query_key_value, batch, heads, layer, dropout == nullptr ? 0.0 : p,
                                        dropout);
    }
    // Not scaled_dot_product_attention: on CPUs it multiplies bfloat16 in float32.
    const double scale = scale_of(query_key_value, heads);
    at::Tensor output =
        at::empty({query_key_value.size(0), query_key_value.size(1) / 3}, query_key_value.options());
    for (std::size_t b = 0; b < batch.examples.size(); ++b) {
        const at::Tensor parts = by_head(query_key_value, batch.starts, b, heads);
        const at::Tensor used = probabilities_of(parts, scale).to(query_key_value.scalar_type());
        merged_by_head(output, batch.starts, b, heads).copy_(at::bmm(used, parts[2]));
    }
    return output;
}

}  // namespace bv
