#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "bert/model.hpp"

namespace bv {

/// What heads of the model's task read of a batch, without dropout. Span: all hidden states, L of (N, H).
/// Classification: the pooled output, then each hidden state's CLS, L + 1 of (B, H).
std::vector<at::Tensor> task_states(const Model& model, const Batch& batch);

}  // namespace bv
