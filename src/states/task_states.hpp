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

/// The hidden states that a list such as "0,12,24" names (0 = embedding output), ascending, each once. Throws
/// Error naming what is no number.
std::vector<std::int64_t> parse_layers(const std::string& list);

/// (F) Rows of states that each feature has: its tokens in the span task, else one.
std::vector<std::int64_t> state_rows(const Features& features, Task task);

/// Where the states `info` of features lie in a store of blocks of about `block_bytes`; with 0 of the usual
/// size (see features_per_block), as if all `model_states` hidden states of the model were kept: so the order
/// of training, which follows from it, is the same whichever are.
StoreLayout lay_out_states(const StoreInfo& info, std::int64_t model_states, const Features& features,
                           std::int64_t block_bytes);

/// What heads of the model's task read of a batch, without dropout. Span: all hidden states, L of (N, H).
/// Classification: the pooled output, then each hidden state's CLS, L + 1 of (B, H).
std::vector<at::Tensor> task_states(const Model& model, const Batch& batch);

/// The id of the first question of `batch` with a value in `state`, one of its task_states, that is NaN or
/// infinite; nothing where there is none.
std::optional<std::string> question_not_finite(const at::Tensor& state, const Batch& batch,
                                               const Features& features);

/// Throws Error naming the first question of `batch` for which `states`, the batch's task_states, are not
/// finite.
void require_finite(const std::vector<at::Tensor>& states, const Batch& batch, const Features& features);

}  // namespace bv
