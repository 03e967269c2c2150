#include "heads/blocks/dropout.hpp"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "random/dropout_bits.hpp"

namespace bv {
namespace {

constexpr double kSteps = 65536.0;

}  // namespace

Dropout::Dropout(const Context& context)
    : shape_(context.input),
      // Below 65536, because a rate of 1 would have no scale.
      threshold_(static_cast<std::uint32_t>(
          std::min(std::lround(context.definition.fraction("rate") * kSteps), 65535L))) {
    for (at::Generator& generator : context.generators) {
        const at::Tensor seed = at::empty({}, at::kLong).random_(generator);
        seeds_.push_back(static_cast<std::uint64_t>(*seed.const_data_ptr<std::int64_t>()));
    }
}

at::Tensor Dropout::forward(const at::Tensor& x, const Pass& pass) const {
    if (!pass.step) return x;
    const std::int64_t channels = std::max<std::int64_t>(shape_.channels, 1);
    const std::int64_t sequences = pass.batch.sequences();
    std::vector<std::int64_t> sizes = x.sizes().vec();
    sizes.front() = static_cast<std::int64_t>(seeds_.size());
    const at::Tensor mask = at::empty(sizes, at::kFloat);
    float* values = mask.mutable_data_ptr<float>();
    at::parallel_for(0, sizes.front() * channels * sequences, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t part = begin; part < end; ++part) {
            const std::int64_t plane = part / sequences;  // number of the head's channel
            const std::uint64_t seed = seeds_[static_cast<std::size_t>(plane / channels)];
            const auto b = static_cast<std::size_t>(part % sequences);
            const std::int64_t rows = pass.batch.packed->rows_of(b);
            const DropoutStream stream{
                {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                 static_cast<std::uint32_t>(pass.batch.packed->examples[b]),
                 static_cast<std::uint32_t>(plane % channels), static_cast<std::uint32_t>(*pass.step)},
                threshold_,
                static_cast<float>(kSteps / (kSteps - threshold_))};
            float* to = values + (plane * pass.batch.rows() + pass.batch.packed->starts[b]) * shape_.width;
            const KeepBits drawn(stream, 0, rows * shape_.width);
            for (std::int64_t i = 0; i < rows * shape_.width; ++i) to[i] = drawn.kept(i) ? drawn.scale : 0.0F;
        }
    });
    return x * mask.to(x.options());
}

}  // namespace bv
