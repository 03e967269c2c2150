#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

namespace bv {

/// Makes the generator of one head. What it draws depends on `seed` alone, not on other heads that are made
/// at the same time.
at::Generator make_generator(std::uint64_t seed);

// The functions below make values (K, shape) in float32 on the CPU. The values of head k are drawn by its
// own generator.

/// N(0, deviation).
at::Tensor normal(at::IntArrayRef shape, double deviation, std::vector<at::Generator>& generators);

/// N(0, deviation) without values beyond two deviations, like Keras's TruncatedNormal.
at::Tensor truncated_normal(at::IntArrayRef shape, double deviation, std::vector<at::Generator>& generators);

/// Uniform in +-sqrt(6 / (inputs + outputs)) for a weight that connects so many inputs and outputs (Glorot
/// and Bengio 2010). This is Keras's default.
at::Tensor glorot_uniform(at::IntArrayRef shape, std::int64_t outputs, std::int64_t inputs,
                          std::vector<at::Generator>& generators);

}  // namespace bv
