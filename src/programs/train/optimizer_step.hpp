#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "comm/collective.hpp"
#include "heads/head.hpp"
#include "optim/adam.hpp"
#include "optim/flat_parameters.hpp"
#include "optim/resume_state.hpp"

namespace bv {

/// A head in training, or K alike but for seeds and learning rates as one batched computation (see Head).
/// Nothing of them depends on other heads trained beside them: their gradients are summed over the ranks in a
/// buffer of their own.
class HeadTrainer {
  public:
    /// Local. Moves `head` to `device`; `collective` must outlive this object. Adam with Keras's epsilon
    /// 1e-8, at a constant learning rate for each (K).
    HeadTrainer(Head head, std::vector<double> learning_rates, at::Device device, Collective& collective);
    HeadTrainer(const HeadTrainer&) = delete;
    HeadTrainer& operator=(const HeadTrainer&) = delete;
    ~HeadTrainer() = default;

    /// Collective: one update of each head from its mean loss over a global batch of `global_batch`
    /// sequences, of which `share` is this rank's part, possibly without any. Statistics and dropout masks
    /// are those of the whole batch: any number of ranks trains the same heads.
    void step(const StateBatch& share, std::int64_t global_batch);

    /// Local: (K) the loss of this rank's sequences, summed since it was set to 0.
    std::vector<double> losses() const;
    void set_loss(std::int64_t k, double loss);

    /// Local: (K) whether all weights of a head are finite.
    std::vector<bool> finite() const;

    /// Local: where training of head `k` stands, but for `totals`, copied to the CPU; and from there on, the
    /// same number of steps for all. The loss is no part of it: each rank has its own.
    ResumeState state(std::int64_t k) const;
    void restore(std::int64_t k, const ResumeState& state);

    /// Collective: all ranks go on from where rank 0 stands, but for the losses.
    void share_state(const Communicator& ranks);

    /// Local: bytes of parameters, gradients, Adam's moments and running statistics.
    std::int64_t bytes() const;

    const Head& head() const { return head_; }
    std::int64_t steps() const { return optimizer_.steps(); }

  private:
    Head head_;
    std::vector<double> learning_rates_;
    Collective& collective_;
    StateBatch nothing_;  // what goes through the heads where a share has no sequence
    FlatParameters parameters_;
    Adam optimizer_;
    at::Tensor losses_;  // (K) on the device, so that no step waits for it
};

}  // namespace bv
