#include "optim/gradient_sync.hpp"

#include <algorithm>

#include <ATen/ops/linalg_vector_norm.h>

namespace bv {

void sum_gradients(FlatParameters& parameters, Collective& ranks) {
    parameters.check();
    ranks.all_reduce(parameters.gradients().data_ptr<float>(), parameters.elements());
}

double gradient_norm(const FlatParameters& parameters) {
    // Norms of short rows, then their norm in doubles: one float32 sum over all loses digits, and doubles
    // from the start need a copy of every gradient.
    constexpr std::int64_t kRow = 64;  // divides the length of every flat buffer
    const at::Tensor rows =
        at::linalg_vector_norm(parameters.gradients().view({-1, kRow}), 2, at::IntArrayRef{1});
    return at::linalg_vector_norm(rows.to(at::kDouble)).item<double>();
}

double clip_factor(double norm, double max_norm) {
    return std::min(max_norm / (norm + 1e-6), 1.0);
}

double clip_gradients(FlatParameters& parameters, double max_norm) {
    const double norm = gradient_norm(parameters);
    const double factor = clip_factor(norm, max_norm);
    if (factor < 1.0) parameters.gradients().mul_(factor);
    return norm;
}

}  // namespace bv
