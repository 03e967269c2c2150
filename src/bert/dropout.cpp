#include "bert/dropout.hpp"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "bert/dropout_bits.hpp"
#include "core/error.hpp"
#include "optim/saved_value.hpp"
#ifdef BV_CUDA
#include "bert/dropout_cuda.hpp"
#endif

namespace bv {

DropoutStream DropoutPlan::stream(std::size_t b) const {
    constexpr double kSteps = 65536.0;
    const auto threshold = static_cast<std::uint32_t>(std::lround(p * kSteps));
    BV_EXPECT(threshold < 65536);
    return {static_cast<std::uint32_t>(key.seed),
            static_cast<std::uint32_t>(key.seed >> 32),
            static_cast<std::uint32_t>(examples[b]),
            static_cast<std::uint32_t>(layer) << 8 | static_cast<std::uint32_t>(site),
            static_cast<std::uint32_t>(key.step),
            threshold,
            static_cast<float>(kSteps / (kSteps - threshold))};
}

namespace {

/// to = from times the mask of a whole example, on the CPU.
template <typename From, typename To>
void mask_on_cpu(const From* from, To* to, std::int64_t count, const DropoutStream& stream) {
    constexpr std::int64_t kChunk = 32;  // groups whose bits are drawn at a time
    const std::int64_t groups = (count + kPhiloxGroup - 1) / kPhiloxGroup;
    at::parallel_for(0, (groups + kChunk - 1) / kChunk, 8, [&](std::int64_t first, std::int64_t last) {
        std::uint8_t bits[kChunk * kPhiloxGroup / 8];
        for (std::int64_t chunk = first; chunk < last; ++chunk) {
            draw_keep_bits(stream, chunk * kChunk, std::min((chunk + 1) * kChunk, groups), bits);
            const std::int64_t begin = chunk * kChunk * kPhiloxGroup;
            const std::int64_t size = std::min(kChunk * kPhiloxGroup, count - begin);
            for (std::int64_t i = 0; i < size; ++i) {
                const bool kept = (bits[i / 8] >> (i % 8) & 1) != 0;
                to[begin + i] = kept ? static_cast<float>(from[begin + i]) * stream.scale : 0.0F;
            }
        }
    });
}

at::Tensor masked(const at::Tensor& x, const DropoutPlan& plan) {
    const at::Tensor from = x.contiguous();
    at::Tensor result = at::empty(x.sizes(), x.options().dtype(at::kFloat));
    BV_EXPECT(plan.rows.back() == x.size(0));
    for (std::size_t b = 0; b < plan.examples.size(); ++b) {
        const std::int64_t count = plan.rows[b + 1] - plan.rows[b];
        apply_dropout_mask(from.narrow(0, plan.rows[b], count), result.narrow(0, plan.rows[b], count),
                           plan.stream(b));
    }
    return result;
}

/// x * mask, drawn anew in the backward pass.
class Dropout : public torch::autograd::Function<Dropout> {
  public:
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                              const DropoutPlan& plan) {
        save_value(*context, plan);
        return masked(x, plan);
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        return {masked(gradients[0], saved_value<DropoutPlan>(*context)), {}};
    }
};

}  // namespace

at::Tensor dropout(const at::Tensor& x, const DropoutPlan& plan) {
    return plan.p == 0 ? x : Dropout::apply(x, plan);
}

void apply_dropout_mask(const at::Tensor& from, const at::Tensor& to, const DropoutStream& stream) {
    BV_EXPECT(from.is_contiguous() && to.is_contiguous() && from.numel() == to.numel());
    const std::int64_t count = from.numel();
#ifdef BV_CUDA
    if (to.is_cuda()) {
        if (!to.is_same(from)) to.copy_(from);
        if (to.scalar_type() == at::kFloat) {
            mask_on_gpu(to.data_ptr<float>(), count, stream);
        } else {
            mask_on_gpu(to.data_ptr<at::BFloat16>(), count, stream);
        }
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
