#include "heads/blocks/initializers.hpp"

#include <cmath>
#include <functional>
#include <numbers>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

namespace bv {
namespace {

at::Tensor stack(std::vector<at::Generator>& generators,
                 const std::function<at::Tensor(at::Generator&)>& draw) {
    std::vector<at::Tensor> drawn;
    for (at::Generator& generator : generators) drawn.push_back(draw(generator));
    return at::stack(drawn);
}

}  // namespace

at::Generator make_generator(std::uint64_t seed) {
    return at::detail::createCPUGenerator(seed);
}

at::Tensor normal(at::IntArrayRef shape, double deviation, std::vector<at::Generator>& generators) {
    return stack(generators, [&](at::Generator& generator) {
        return at::empty(shape, at::kFloat).normal_(0.0, deviation, generator);
    });
}

at::Tensor truncated_normal(at::IntArrayRef shape, double deviation, std::vector<at::Generator>& generators) {
    // The inverse of the normal distribution function makes normal values from uniform ones. Two deviations
    // become 2 / sqrt(2) in erf.
    const double bound = std::erf(std::numbers::sqrt2);
    return stack(generators, [&](at::Generator& generator) {
        const at::Tensor quantiles = at::empty(shape, at::kDouble).uniform_(-bound, bound, generator);
        return quantiles.erfinv_().mul_(std::numbers::sqrt2 * deviation).to(at::kFloat);
    });
}

at::Tensor glorot_uniform(at::IntArrayRef shape, std::int64_t outputs, std::int64_t inputs,
                          std::vector<at::Generator>& generators) {
    const double bound = std::sqrt(6.0 / static_cast<double>(inputs + outputs));
    return stack(generators, [&](at::Generator& generator) {
        return at::empty(shape, at::kFloat).uniform_(-bound, bound, generator);
    });
}

}  // namespace bv
