#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

namespace bv {

/// A generator of a head's own: what it draws depends on `seed` alone, not on heads made beside it.
at::Generator make_generator(std::uint64_t seed);

// Values (K, shape) in float32 on the CPU, those of each of K heads drawn by its own generator.

/// N(0, deviation).
at::Tensor normal(at::IntArrayRef shape, double deviation, std::vector<at::Generator>& generators);

/// N(0, deviation) without values beyond two deviations, as Keras's TruncatedNormal.
at::Tensor truncated_normal(at::IntArrayRef shape, double deviation, std::vector<at::Generator>& generators);

/// Uniform in +-sqrt(6 / (inputs + outputs)) for a weight between so many values (Glorot and Bengio 2010),
/// Keras's default.
at::Tensor glorot_uniform(at::IntArrayRef shape, std::int64_t outputs, std::int64_t inputs,
                          std::vector<at::Generator>& generators);

}  // namespace bv
