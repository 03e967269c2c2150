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

/// A small model over the hidden states of a BERT: its definition's blocks, one after another. Or K such
/// heads, alike but for their seeds, as one batched computation: each as by itself, but for rounding.
class Head {
  public:
    /// New heads, one for each of `seeds` (K), over `states` states (L; the pooled output included, in the
    /// classification task) of width `hidden_size`. Initial values and dropout masks of each are drawn from
    /// its seed alone. Throws Error naming file and line of a block that cannot follow the one before it, or
    /// when the head does not end in two values a row.
    Head(HeadDefinition definition, std::int64_t states, std::int64_t hidden_size,
         const std::vector<std::uint64_t>& seeds);

    const HeadDefinition& definition() const { return definition_; }
    std::int64_t states() const { return states_; }
    std::int64_t hidden_size() const { return hidden_size_; }
    std::int64_t heads() const { return heads_; }  ///< K

    /// Whether it takes states as they were read, in float16 or bfloat16 too; others take float32.
    bool reads_any_type() const { return blocks_.reads_any_type(); }

    /// Logits (K, N, 2): start and end of every token in the span task; the two classes of every sequence in
    /// the classification task, class 1 = no answer. With a `step`, counted from 0, as training computes
    /// them: with dropout, whose masks follow seed, step and example, and with batch normalisation by the
    /// statistics of all shares of the step's batch, which the buffers follow. Without, as evaluation does.
    /// Where `share` sums over processes, this call and the backward pass are collective.
    at::Tensor forward(const StateBatch& batch, std::optional<std::int64_t> step = std::nullopt,
                       const Share& share = {}) const;

    /// Trained tensors in the order of the blocks, named "<place>.<block type>.<tensor>": "0.adapter.weight".
    const std::vector<NamedTensor>& parameters() const { return parameters_; }

    /// Running statistics that training keeps beside the parameters: the same in every process.
    const std::vector<NamedTensor>& buffers() const { return buffers_; }

    /// Number of trained elements of one head.
    std::int64_t parameter_count() const;

    /// What the learned poolings of head `k` learned, in the order of the blocks.
    std::vector<LayerWeights> layer_weights(std::int64_t k) const { return blocks_.layer_weights(k); }

    /// Moves parameters and buffers; forbidden once flat buffers hold them.
    void to(at::Device device);

  private:
    HeadDefinition definition_;
    std::int64_t states_;
    std::int64_t hidden_size_;
    std::int64_t heads_;
    BlockChain blocks_;
    std::vector<NamedTensor> parameters_;
    std::vector<NamedTensor> buffers_;
};

}  // namespace bv
