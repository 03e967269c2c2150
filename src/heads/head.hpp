#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "heads/blocks/block_chain.hpp"
#include "heads/blocks/state_batch.hpp"
#include "heads/head_definition.hpp"

namespace bv {

/// A small model over the hidden states of a BERT: the blocks of its definition, one after another. It may
/// also stand for K heads that differ only in their seeds and are computed as one batch. Each of them gives
/// what it gives alone, except for rounding.
class Head {
  public:
    /// Makes new heads, one for each of the K `seeds`. They read `states` states of width `hidden_size`: L
    /// states, and in the classification task the pooled output before them. The initial values and dropout
    /// masks of a head are drawn from its own seed alone. Throws Error, which names file and line, when a
    /// block cannot follow the one before it, or when the head does not end in two values a row.
    Head(HeadDefinition definition, std::int64_t states, std::int64_t hidden_size,
         const std::vector<std::uint64_t>& seeds);

    const HeadDefinition& definition() const { return definition_; }
    std::int64_t states() const { return states_; }
    std::int64_t hidden_size() const { return hidden_size_; }
    std::int64_t heads() const { return heads_; }  ///< K

    /// Whether `forward` takes states in float16, bfloat16 and float8 too. Otherwise it takes only float32.
    bool reads_any_type() const { return blocks_.reads_any_type(); }

    /// Computes logits (K, N, 2): the start and the end at every token in the span task, the two classes of
    /// every sequence in the classification task, where class 1 means no answer.
    ///
    /// With a `step`, counted from 0, it computes as training does. The dropout masks then follow from
    /// seed, step and example. Batch normalisation uses the statistics of the step's whole batch, all
    /// shares together, and updates its buffers with them. Without a `step` it computes as evaluation does.
    ///
    /// If `share` sums over processes, this call and its backward pass are collective.
    at::Tensor forward(const StateBatch& batch, std::optional<std::int64_t> step = std::nullopt,
                       const Share& share = {}) const;

    /// The result of all blocks but the last one, as in evaluation: (K, N, W), or (K, C, N, W) if this result
    /// has channels. The first dimension is 1 if no block before the last one has tensors of its own.
    at::Tensor before_last_block(const StateBatch& batch) const;

    /// The shape of one row of the result of before_last_block: (W) or (C, W).
    std::vector<std::int64_t> shape_before_last_block() const;

    /// The trained tensors in the order of the blocks, named "<place>.<block type>.<tensor>":
    /// "0.adapter.weight".
    const std::vector<NamedTensor>& parameters() const { return parameters_; }

    /// The running statistics that training keeps beside the parameters. They are the same in every
    /// process.
    const std::vector<NamedTensor>& buffers() const { return buffers_; }

    /// The number of trained values of one head.
    std::int64_t parameter_count() const;

    /// The layer weights that the learned poolings of head `k` have learned, in the order of the blocks.
    std::vector<LayerWeights> layer_weights(std::int64_t k) const { return blocks_.layer_weights(k); }

    /// Moves parameters and buffers to `device`. Must not be called once FlatParameters holds them.
    void to(at::Device device);

  private:
    void require_states(const StateBatch& batch) const;

    HeadDefinition definition_;
    std::int64_t states_;
    std::int64_t hidden_size_;
    std::int64_t heads_;
    BlockChain blocks_;
    std::vector<NamedTensor> parameters_;
    std::vector<NamedTensor> buffers_;
};

}  // namespace bv
