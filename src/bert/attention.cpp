#include "bert/attention.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "bert/attention_avx512.hpp"
#include "optim/saved_value.hpp"

namespace bv {
namespace {

/// Calls `work(head, b, a)` with head a of sequence b, over all of them, on all threads.
template <typename Element, typename Work>
void for_each_head(const at::Tensor& query_key_value, std::int64_t heads, const DropoutPlan& dropout,
                   const Work& work) {
    const std::int64_t hidden = query_key_value.size(1) / 3;
    const auto sequences = static_cast<std::int64_t>(dropout.rows.size()) - 1;
    const auto* in = query_key_value.const_data_ptr<Element>();
    at::parallel_for(0, sequences * heads, 1, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t i = first; i < last; ++i) {
            const auto b = static_cast<std::size_t>(i / heads);
            const std::int64_t a = i % heads;
            const std::int64_t tokens = dropout.rows[b + 1] - dropout.rows[b];
            const std::int64_t size = hidden / heads;
            DropoutStream stream{};
            if (dropout.p > 0) stream = dropout.stream(b);
            work(HeadRows<Element>{tokens, size, hidden, in + dropout.rows[b] * 3 * hidden + a * size,
                                   dropout.p > 0 ? &stream : nullptr, a * tokens * tokens},
                 dropout.rows[b], a);
        }
    });
}

template <typename Element>
void attend_all(const at::Tensor& query_key_value, std::int64_t heads, const DropoutPlan& dropout,
                at::Tensor& output, at::Tensor& log_sums) {
    for_each_head<Element>(
        query_key_value, heads, dropout,
        [&](const HeadRows<Element>& head, std::int64_t row, std::int64_t a) {
            attend(head, output.mutable_data_ptr<Element>() + row * head.hidden + a * head.head_size,
                   log_sums.mutable_data_ptr<float>() + a * output.size(0) + row);
        });
}

template <typename Element>
void attend_all_backward(const at::Tensor& query_key_value, std::int64_t heads, const DropoutPlan& dropout,
                         const at::Tensor& log_sums, const at::Tensor& output_gradient, at::Tensor& result) {
    for_each_head<Element>(
        query_key_value, heads, dropout,
        [&](const HeadRows<Element>& head, std::int64_t row, std::int64_t a) {
            attend_backward(
                head, output_gradient.const_data_ptr<Element>() + row * head.hidden + a * head.head_size,
                log_sums.const_data_ptr<float>() + a * result.size(0) + row,
                result.mutable_data_ptr<Element>() + row * 3 * head.hidden + a * head.head_size);
        });
}

/// Attention by the AVX-512 kernels: keeps a float a row and head for the backward pass, not the
/// probabilities.
class KernelAttention : public torch::autograd::Function<KernelAttention> {
  public:
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& query_key_value,
                              std::int64_t heads, const DropoutPlan& dropout) {
        const at::Tensor in = query_key_value.contiguous();
        at::Tensor output = at::empty({in.size(0), in.size(1) / 3}, in.options());
        at::Tensor log_sums = at::empty({heads, in.size(0)}, in.options().dtype(at::kFloat));
        if (in.scalar_type() == at::kFloat) {
            attend_all<float>(in, heads, dropout, output, log_sums);
        } else {
            attend_all<c10::BFloat16>(in, heads, dropout, output, log_sums);
        }
        context->save_for_backward({in, log_sums});
        context->saved_data["heads"] = heads;
        save_value(*context, dropout);
        return output;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto& dropout = saved_value<DropoutPlan>(*context);
        const std::int64_t heads = context->saved_data["heads"].toInt();
        const at::Tensor gradient = gradients[0].contiguous();
        at::Tensor result = at::empty_like(saved[0]);
        if (result.scalar_type() == at::kFloat) {
            attend_all_backward<float>(saved[0], heads, dropout, saved[1], gradient, result);
        } else {
            attend_all_backward<c10::BFloat16>(saved[0], heads, dropout, saved[1], gradient, result);
        }
        return {result, {}, {}};
    }
};

bool has_kernel(const at::Tensor& query_key_value, std::int64_t heads) {
    if (!query_key_value.is_cpu()) return false;
    const std::int64_t head_size = query_key_value.size(1) / 3 / heads;
    return query_key_value.scalar_type() == at::kFloat ? has_attention_kernel<float>(head_size)
                                                       : has_attention_kernel<c10::BFloat16>(head_size);
}

}  // namespace

at::Tensor packed_attention(const at::Tensor& query_key_value, std::int64_t heads, const at::Tensor& bounds,
                            const DropoutPlan& dropout) {
    if (has_kernel(query_key_value, heads)) return KernelAttention::apply(query_key_value, heads, dropout);
    if (query_key_value.is_cuda() && query_key_value.scalar_type() == at::kBFloat16)
        return flash_attention(query_key_value, heads, bounds, dropout);
    return plain_attention(query_key_value, heads, dropout);
}

}  // namespace bv
