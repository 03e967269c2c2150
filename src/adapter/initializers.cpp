#include "adapter/initializers.hpp"

#include <cmath>
#include <numbers>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

namespace bv {

at::Generator make_generator(std::uint64_t seed) {
    return at::detail::createCPUGenerator(seed);
}

at::Tensor normal(at::IntArrayRef shape, double deviation, at::Generator& generator) {
    return at::empty(shape, at::kFloat).normal_(0.0, deviation, generator);
}

at::Tensor truncated_normal(at::IntArrayRef shape, double deviation, at::Generator& generator) {
    // The inverse of the distribution function; 2 / sqrt(2) is the bound of two deviations.
    const double bound = std::erf(std::numbers::sqrt2);
    const at::Tensor quantiles = at::empty(shape, at::kDouble).uniform_(-bound, bound, generator);
    return quantiles.erfinv_().mul_(std::numbers::sqrt2 * deviation).to(at::kFloat);
}

at::Tensor glorot_uniform(at::IntArrayRef shape, std::int64_t outputs, std::int64_t inputs,
                          at::Generator& generator) {
    const double bound = std::sqrt(6.0 / static_cast<double>(inputs + outputs));
    return at::empty(shape, at::kFloat).uniform_(-bound, bound, generator);
}

}  // namespace bv
