#include "bert/dropout.hpp"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

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

/// Multiplies the elements of groups [first, last) by their mask, compiled for each instruction set: the lane
/// loops become vector instructions, the same bits in every variant.
__attribute__((target_clones("avx512f", "avx2", "default"))) void mask_groups(float* data, std::int64_t count,
                                                                              DropoutStream stream,
                                                                              std::int64_t first,
                                                                              std::int64_t last) {
    for (std::int64_t group = first; group < last; ++group) {
        std::uint32_t words[4][kPhiloxLanes];
        for (std::int64_t lane = 0; lane < kPhiloxLanes; ++lane) {
            words[0][lane] = static_cast<std::uint32_t>(group * kPhiloxLanes + lane);
            words[1][lane] = stream.c1;
            words[2][lane] = stream.c2;
            words[3][lane] = stream.c3;
        }
        std::uint32_t key0 = stream.key0;
        std::uint32_t key1 = stream.key1;
        for (int round = 0; round < kPhiloxRounds; ++round) {
            for (std::int64_t lane = 0; lane < kPhiloxLanes; ++lane) {
                philox_round(words[0][lane], words[1][lane], words[2][lane], words[3][lane], key0, key1);
            }
            key0 += kPhiloxWeyl0;
            key1 += kPhiloxWeyl1;
        }
        float mask[kPhiloxGroup];
        for (int half = 0; half < 8; ++half) {
            for (std::int64_t lane = 0; lane < kPhiloxLanes; ++lane) {
                const std::uint32_t bits = words[half / 2][lane] >> (16 * (half % 2)) & 0xFFFFU;
                mask[half * kPhiloxLanes + lane] = bits >= stream.threshold ? stream.scale : 0.0F;
            }
        }
        float* here = data + group * kPhiloxGroup;
        const std::int64_t size = std::min(kPhiloxGroup, count - group * kPhiloxGroup);
        if (size == kPhiloxGroup) {
            for (std::int64_t i = 0; i < kPhiloxGroup; ++i) here[i] *= mask[i];
        } else {
            for (std::int64_t i = 0; i < size; ++i) here[i] *= mask[i];
        }
    }
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
        at::Tensor result = x.clone(at::MemoryFormat::Contiguous);
        BV_EXPECT(rows.back() == x.size(0));
        for (std::size_t b = 0; b < examples.size(); ++b) {
            apply_dropout_mask(result.narrow(0, rows[b], rows[b + 1] - rows[b]), p, key, layer, site,
                               examples[b]);
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

void apply_dropout_mask(const at::Tensor& values, double p, const DropoutKey& key, std::int64_t layer,
                        DropoutSite site, std::int64_t example) {
    BV_EXPECT(values.is_contiguous() && values.scalar_type() == at::kFloat);
    const DropoutStream stream = stream_of(p, key, layer, site, example);
    float* data = values.data_ptr<float>();
    const std::int64_t count = values.numel();
#ifdef BV_CUDA
    if (values.is_cuda()) {
        mask_on_gpu(data, count, stream);
        return;
    }
#endif
    const std::int64_t groups = (count + kPhiloxGroup - 1) / kPhiloxGroup;
    at::parallel_for(0, groups, 256, [&](std::int64_t first, std::int64_t last) {
        mask_groups(data, count, stream, first, last);
    });
}

}  // namespace bv
