#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "bert/model.hpp"
#include "squad/features.hpp"
#include "store/layout.hpp"

namespace bv {

/// The hidden states that a list such as "0,12,24" names (0 = embedding output), ascending, each once. Throws
/// Error naming what is no number.
std::vector<std::int64_t> parse_layers(const std::string& list);

/// (F) Rows of states that each feature has: its tokens in the span task, else one.
std::vector<std::int64_t> state_rows(const Features& features, const std::string& task);

/// Where the states `info` of features lie in a store of blocks of about `block_bytes`, 0 = the usual size
/// (see features_per_block).
StoreLayout lay_out_states(const StoreInfo& info, const Features& features, std::int64_t block_bytes);

/// What heads of the model's task read of a batch, without dropout. Span: all hidden states, L of (N, H).
/// Classification: the pooled output, then each hidden state's CLS, L + 1 of (B, H).
std::vector<at::Tensor> task_states(const Model& model, const Batch& batch);

}  // namespace bv
