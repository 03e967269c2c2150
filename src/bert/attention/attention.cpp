#include "bert/attention/attention.hpp"

#include <atomic>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "bert/attention/kernel_avx512.hpp"
#include "tensor/saved_value.hpp"

namespace bv {
namespace {

/// One head of one sequence. A thread computes one at a time.
struct Head {
    std::size_t sequence;
    std::int64_t number;  ///< number of the head, from 0
    std::int64_t row;     ///< first token of the sequence among the N
    std::int64_t tokens;
    KeepBits mask = {};  ///< of this head's probabilities (T, T)
};

std::vector<Head> heads_of(const std::vector<std::int64_t>& starts, std::int64_t count) {
    std::vector<Head> heads;
    for (std::size_t b = 0; b + 1 < starts.size(); ++b) {
        for (std::int64_t a = 0; a < count; ++a)
            heads.push_back({b, a, starts[b], starts[b + 1] - starts[b]});
    }
    return heads;
}

/// Calls `work(head)` for each head. Each thread takes the next head when it is free, because the work of a
/// head grows with the square of its tokens.
template <typename Heads, typename Work>
void for_each(Heads& heads, const Work& work) {
    std::atomic<std::size_t> next = 0;
    at::parallel_for(0, at::get_num_threads(), 1, [&](std::int64_t, std::int64_t) {
        for (std::size_t i = next++; i < heads.size(); i = next++) work(heads[i]);
    });
}

template <typename Element>
HeadRows<Element> rows_of(const Head& head, const at::Tensor& query_key_value, std::int64_t head_size) {
    const std::int64_t hidden = query_key_value.size(1) / 3;
    return {head.tokens, head_size, hidden,
            query_key_value.const_data_ptr<Element>() + head.row * 3 * hidden + head.number * head_size,
            head.mask};
}

template <typename Element>
void attend_all(const at::Tensor& query_key_value, const DropoutPlan& dropout, std::vector<Head>& heads,
                std::int64_t size, at::Tensor& output, at::Tensor& log_sums) {
    for_each(heads, [&](Head& head) {
        const std::int64_t elements = head.tokens * head.tokens;
        head.mask = dropout.keep_bits(head.sequence, head.number * elements, (head.number + 1) * elements);
        attend(rows_of<Element>(head, query_key_value, size),
               output.mutable_data_ptr<Element>() + head.row * output.size(1) + head.number * size,
               log_sums.mutable_data_ptr<float>() + head.number * output.size(0) + head.row);
    });
}

template <typename Element>
void attend_all_backward(const at::Tensor& query_key_value, const std::vector<Head>& heads, std::int64_t size,
                         const at::Tensor& log_sums, const at::Tensor& output_gradient, at::Tensor& result) {
    for_each(heads, [&](const Head& head) {
        attend_backward(rows_of<Element>(head, query_key_value, size),
                        output_gradient.const_data_ptr<Element>() + head.row * output_gradient.size(1) +
                            head.number * size,
                        log_sums.const_data_ptr<float>() + head.number * result.size(0) + head.row,
                        result.mutable_data_ptr<Element>() + head.row * result.size(1) + head.number * size);
    });
}

/// Attention by the AVX-512 kernels. For the backward pass it does not keep the probabilities, but one float
/// for each row and head, and the bits of the masks.
class KernelAttention : public torch::autograd::Function<KernelAttention> {
  public:
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& query_key_value,
                              std::int64_t count, const DropoutPlan& dropout) {
        const at::Tensor in = query_key_value.contiguous();
        at::Tensor output = at::empty({in.size(0), in.size(1) / 3}, in.options());
        at::Tensor log_sums = at::empty({count, in.size(0)}, in.options().dtype(at::kFloat));
        std::vector<Head> heads = heads_of(dropout.sequences->starts, count);
        const std::int64_t size = output.size(1) / count;
        if (in.scalar_type() == at::kFloat) {
            attend_all<float>(in, dropout, heads, size, output, log_sums);
        } else {
            attend_all<c10::BFloat16>(in, dropout, heads, size, output, log_sums);
        }
        context->save_for_backward({in, log_sums});
        save_value(*context, std::move(heads));
        return output;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto& heads = saved_value<std::vector<Head>>(*context);
        const std::int64_t size = gradients[0].size(1) / saved[1].size(0);
        const at::Tensor gradient = gradients[0].contiguous();
        at::Tensor result = at::empty_like(saved[0]);
        if (result.scalar_type() == at::kFloat) {
            attend_all_backward<float>(saved[0], heads, size, saved[1], gradient, result);
        } else {
            attend_all_backward<c10::BFloat16>(saved[0], heads, size, saved[1], gradient, result);
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

at::Tensor packed_attention(const at::Tensor& query_key_value, std::int64_t heads,
                            const DropoutPlan& dropout) {
    if (has_kernel(query_key_value, heads)) return KernelAttention::apply(query_key_value, heads, dropout);
    if (takes_flash_attention(query_key_value.device(), query_key_value.scalar_type(),
                              query_key_value.size(1) / 3 / heads))
        return flash_attention(query_key_value, heads, dropout);
    return plain_attention(query_key_value, heads, dropout);
}

}  // namespace bv
