#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "bert/model.hpp"
#include "squad/features/features.hpp"
#include "store/layout.hpp"

namespace bv {

/// (F) The number of rows of states of each feature: its tokens in the span task, 1 in the classification
/// task.
std::vector<std::int64_t> state_rows(const Features& features, Task task);

/// Where the states that `info` describes lie in a store with blocks of about `block_bytes` bytes. 0 means
/// the usual size (see features_per_block) of a store that keeps all `model_states` hidden states of the
/// model. The order of training follows from that layout, so it is the same whichever states are kept.
StoreLayout lay_out_states(const StoreInfo& info, std::int64_t model_states, const Features& features,
                           std::int64_t block_bytes);

/// Local: the states of a batch that heads of the model's task read, computed without dropout. Span: all
/// hidden states, L tensors of (N, H). Classification: the pooled output, then the state of the CLS token
/// in each layer, L + 1 tensors of (B, H).
std::vector<at::Tensor> task_states(const Model& model, const Batch& batch);

/// The id of the first question of `batch` that has NaN or infinity in `state`, which is one tensor of
/// task_states. No value when all are finite.
std::optional<std::string> question_not_finite(const at::Tensor& state, const Batch& batch,
                                               const Features& features);

/// Throws Error, which names the first question of `batch` with NaN or infinity in `states`, the result of
/// task_states for this batch.
void require_finite(const std::vector<at::Tensor>& states, const Batch& batch, const Features& features);

}  // namespace bv
