#include "random/dropout.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "core/error.hpp"
#include "random/dropout_bits.hpp"
#include "tensor/saved_value.hpp"
#ifdef BV_CUDA
#include "random/dropout_cuda.hpp"
#endif

namespace bv {

DropoutStream DropoutPlan::stream(std::size_t b) const {
    constexpr double kSteps = 65536.0;
    // Below 65536, because a probability of 1 would have no scale.
    const auto threshold = static_cast<std::uint32_t>(std::min(std::lround(p * kSteps), 65535L));
    return {{static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32),
             static_cast<std::uint32_t>(sequences->examples[b]),
             static_cast<std::uint32_t>(layer) << 8 | static_cast<std::uint32_t>(site),
             static_cast<std::uint32_t>(key.step)},
            threshold,
            static_cast<float>(kSteps / (kSteps - threshold))};
}

KeepBits DropoutPlan::keep_bits(std::size_t b, std::int64_t begin, std::int64_t end) const {
    return p > 0 ? KeepBits(stream(b), begin, end) : KeepBits();
}

namespace {

/// to = from * mask for one whole example, on the CPU.
template <typename From, typename To>
void mask_on_cpu(const From* from, To* to, std::int64_t count, const DropoutStream& stream) {
    constexpr std::int64_t kChunk = 32 * kPhiloxGroup;  // elements whose bits are drawn at a time
    at::parallel_for(0, (count + kChunk - 1) / kChunk, 8, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t chunk = first; chunk < last; ++chunk) {
            const std::int64_t begin = chunk * kChunk;
            const std::int64_t size = std::min(kChunk, count - begin);
            const KeepBits mask(stream, begin, begin + size);
            for (std::int64_t i = 0; i < size; ++i) {
                to[begin + i] = mask.kept(i) ? static_cast<float>(from[begin + i]) * mask.scale : 0.0F;
            }
        }
    });
}

#ifdef BV_CUDA
template <typename From>
void mask_on_gpu(const From* from, const at::Tensor& added, const at::Tensor& to, const MaskedRows& rows) {
    const float* more = added.defined() ? added.const_data_ptr<float>() : nullptr;
    if (to.scalar_type() == at::kFloat) {
        mask_on_gpu(from, more, to.data_ptr<float>(), rows);
    } else {
        mask_on_gpu(from, more, to.data_ptr<at::BFloat16>(), rows);
    }
}

void mask_on_gpu(const at::Tensor& from, const at::Tensor& added, const at::Tensor& to,
                 const MaskedRows& rows) {
    if (from.scalar_type() == at::kFloat) {
        mask_on_gpu(from.const_data_ptr<float>(), added, to, rows);
    } else {
        mask_on_gpu(from.const_data_ptr<at::BFloat16>(), added, to, rows);
    }
}

void mask_batch_on_gpu(const at::Tensor& from, const at::Tensor& added, const at::Tensor& to,
                       const DropoutPlan& plan) {
    const PackedSequences& packed = *plan.sequences;
    BV_EXPECT(packed.packing.is_cuda() && packed.packing.numel() == 2 * packed.sequences() + 1);
    mask_on_gpu(from, added, to,
                {plan.stream(0), packed.packing.const_data_ptr<std::int64_t>(), packed.sequences(),
                 packed.longest(), from.numel() / std::max<std::int64_t>(from.size(0), 1)});
}
#endif

/// x * mask, plus `added` if it is defined, as `type`.
at::Tensor masked(const at::Tensor& x, const at::Tensor& added, const DropoutPlan& plan,
                  at::ScalarType type) {
    const at::Tensor from = x.contiguous();
    at::Tensor result = at::empty(x.sizes(), x.options().dtype(type));
    const PackedSequences& packed = *plan.sequences;
    BV_EXPECT(packed.rows() == x.size(0));
#ifdef BV_CUDA
    if (x.is_cuda()) {
        mask_batch_on_gpu(from, added.defined() ? added.contiguous() : added, result, plan);
        return result;
    }
#endif
    for (std::size_t b = 0; b < packed.examples.size(); ++b) {
        apply_dropout_mask(from.narrow(0, packed.starts[b], packed.rows_of(b)),
                           result.narrow(0, packed.starts[b], packed.rows_of(b)), plan.stream(b));
    }
    return added.defined() ? result.add_(added) : result;
}

/// x * mask + residual, if there is one; the mask is drawn anew in the backward pass.
class Dropout : public torch::autograd::Function<Dropout> {
  public:
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                              const std::optional<at::Tensor>& residual, const DropoutPlan& plan) {
        save_value(*context, plan);
        context->saved_data["adds"] = residual.has_value();
        context->saved_data["type"] = static_cast<std::int64_t>(x.scalar_type());
        return masked(x, residual.value_or(at::Tensor()), plan, at::kFloat);
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        const auto type = static_cast<at::ScalarType>(context->saved_data["type"].toInt());
        const at::Tensor of_x = masked(gradients[0], {}, saved_value<DropoutPlan>(*context), type);
        return {of_x, context->saved_data["adds"].toBool() ? gradients[0] : at::Tensor(), {}};
    }
};

}  // namespace

at::Tensor dropout(const at::Tensor& x, const DropoutPlan& plan) {
    return plan.p == 0 ? x : Dropout::apply(x, std::optional<at::Tensor>(), plan);
}

at::Tensor dropout_add(const at::Tensor& x, const at::Tensor& residual, const DropoutPlan& plan) {
    return plan.p == 0 ? x + residual : Dropout::apply(x, std::optional<at::Tensor>(residual), plan);
}

void apply_dropout_mask(const at::Tensor& from, const at::Tensor& to, const DropoutStream& stream) {
    BV_EXPECT(from.is_contiguous() && to.is_contiguous() && from.numel() == to.numel());
    const std::int64_t count = from.numel();
#ifdef BV_CUDA
    if (to.is_cuda()) {
        mask_on_gpu(from, {}, to, {stream, nullptr, 1, 1, count});
        return;
    }
#endif
    if (from.scalar_type() == at::kBFloat16) {
        mask_on_cpu(from.const_data_ptr<at::BFloat16>(), to.data_ptr<float>(), count, stream);
    } else if (to.scalar_type() == at::kBFloat16) {
        mask_on_cpu(from.const_data_ptr<float>(), to.data_ptr<at::BFloat16>(), count, stream);
    } else {
        mask_on_cpu(from.const_data_ptr<float>(), to.data_ptr<float>(), count, stream);
    }
}

}  // namespace bv
