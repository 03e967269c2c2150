#include "bert/dropout.hpp"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "bert/dropout_cpu.hpp"
#include "bert/philox.hpp"
#include "core/error.hpp"
#ifdef BV_CUDA
#include "bert/dropout_cuda.hpp"
#endif

namespace bv {
namespace {

DropoutStream stream_of(double p, const DropoutKey& key, std::int64_t layer, DropoutSite site,
                        std::int64_t example) {
    constexpr double kSteps = 65536.0;
    const auto threshold = static_cast<std::uint32_t>(std::lround(p * kSteps));
    BV_EXPECT(threshold < 65536);
    return {static_cast<std::uint32_t>(key.seed),
            static_cast<std::uint32_t>(key.seed >> 32),
            static_cast<std::uint32_t>(example),
            static_cast<std::uint32_t>(layer) << 8 | static_cast<std::uint32_t>(site),
            static_cast<std::uint32_t>(key.step),
            threshold,
            static_cast<float>(kSteps / (kSteps - threshold))};
}

/// x * mask, drawn anew in the backward pass.
class Dropout : public torch::autograd::Function<Dropout> {
  public:
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, double p,
                              const DropoutKey& key, std::int64_t layer, DropoutSite site,
                              std::span<const std::int64_t> rows, std::span<const std::int64_t> examples) {
        context->saved_data["p"] = p;
        context->saved_data["seed"] = static_cast<std::int64_t>(key.seed);
        context->saved_data["step"] = key.step;
        context->saved_data["layer"] = layer;
        context->saved_data["site"] = static_cast<std::int64_t>(site);
        context->saved_data["rows"] = std::vector<std::int64_t>(rows.begin(), rows.end());
        context->saved_data["examples"] = std::vector<std::int64_t>(examples.begin(), examples.end());
        return masked(x, p, key, layer, site, rows, examples);
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        const auto whole = [&](const char* name) { return context->saved_data[name].toInt(); };
        const DropoutKey key{static_cast<std::uint64_t>(whole("seed")), whole("step")};
        const auto rows = context->saved_data["rows"].toIntVector();
        const auto examples = context->saved_data["examples"].toIntVector();
        at::Tensor gradient = masked(gradients[0], context->saved_data["p"].toDouble(), key, whole("layer"),
                                     static_cast<DropoutSite>(whole("site")), rows, examples);
        return {gradient, {}, {}, {}, {}, {}, {}};
    }

  private:
    static at::Tensor masked(const at::Tensor& x, double p, const DropoutKey& key, std::int64_t layer,
                             DropoutSite site, std::span<const std::int64_t> rows,
                             std::span<const std::int64_t> examples) {
        const at::Tensor from = x.contiguous();
        at::Tensor result = at::empty(x.sizes(), x.options().dtype(at::kFloat));
        BV_EXPECT(rows.back() == x.size(0));
        for (std::size_t b = 0; b < examples.size(); ++b) {
            const std::int64_t count = rows[b + 1] - rows[b];
            apply_dropout_mask(from.narrow(0, rows[b], count), result.narrow(0, rows[b], count), p, key,
                               layer, site, examples[b]);
        }
        return result;
    }
};

}  // namespace

at::Tensor dropout(const at::Tensor& x, double p, const DropoutKey& key, std::int64_t layer, DropoutSite site,
                   std::span<const std::int64_t> rows, std::span<const std::int64_t> examples) {
    if (p == 0) return x;
    return Dropout::apply(x, p, key, layer, site, rows, examples);
}

void apply_dropout_mask(const at::Tensor& from, const at::Tensor& to, double p, const DropoutKey& key,
                        std::int64_t layer, DropoutSite site, std::int64_t example) {
    BV_EXPECT(from.is_contiguous() && to.is_contiguous() && from.numel() == to.numel());
    const DropoutStream stream = stream_of(p, key, layer, site, example);
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
    const auto masked = [&](const auto* in, auto* out) {
        const std::int64_t groups = (count + kPhiloxGroup - 1) / kPhiloxGroup;
        at::parallel_for(0, groups, 256, [&](std::int64_t first, std::int64_t last) {
            mask_on_cpu(in, out, count, stream, first, last);
        });
    };
    if (from.scalar_type() == at::kBFloat16) {
        masked(from.const_data_ptr<at::BFloat16>(), to.data_ptr<float>());
    } else if (to.scalar_type() == at::kBFloat16) {
        masked(from.const_data_ptr<float>(), to.data_ptr<at::BFloat16>());
    } else {
        masked(from.const_data_ptr<float>(), to.data_ptr<float>());
    }
}

}  // namespace bv
