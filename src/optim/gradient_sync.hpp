#pragma once

#include "dist/collective.hpp"
#include "optim/flat_parameters.hpp"

namespace bv {

/// Collective: replaces every gradient by its sum over all ranks, in one all-reduce of the flat buffer.
void sum_gradients(FlatParameters& parameters, Collective& ranks);

/// Local: the Euclidean norm of all gradients together.
double gradient_norm(const FlatParameters& parameters);

/// Local: what gradients of norm `norm` are multiplied with to have at most norm `max_norm`, as torch's
/// clip_grad_norm_: max_norm / (norm + 1e-6), at most 1.
double clip_factor(double norm, double max_norm);

/// Local: clips all gradients together. The same gradients on every rank give the same bits. Returns the norm
/// before.
double clip_gradients(FlatParameters& parameters, double max_norm);

}  // namespace bv
