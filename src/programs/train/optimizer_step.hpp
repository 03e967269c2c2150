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

/// A head in training, or K heads that differ only in seeds and learning rates and are computed as one
/// batch (see Head). No head depends on other heads that are trained at the same time: the gradients of
/// these K heads are summed over the ranks in a buffer of their own.
class HeadTrainer {
  public:
    /// Local. Moves `head` to `device`. `collective` must outlive this object. Uses Adam with epsilon
    /// 1e-8, added before the bias correction as in Keras, and a constant learning rate for each of K heads.
    HeadTrainer(Head head, std::vector<double> learning_rates, at::Device device, Collective& collective);
    HeadTrainer(const HeadTrainer&) = delete;
    HeadTrainer& operator=(const HeadTrainer&) = delete;
    ~HeadTrainer() = default;

    /// Collective: updates each head once, from its mean loss over a global batch of `global_batch`
    /// sequences. `share` is this rank's part of the batch; it may be empty. Statistics and dropout masks
    /// are those of the whole batch, so that any number of ranks trains the same heads. Throws
    /// std::runtime_error when MPI or NCCL fails.
    void step(const StateBatch& share, std::int64_t global_batch);

    /// Local: (K) the losses of this rank's sequences, summed since they were last set to 0.
    std::vector<double> losses() const;
    void set_loss(std::int64_t k, double loss);

    /// Local: (K) for each head whether all its weights are finite.
    std::vector<bool> finite() const;

    /// Local: copies the training state of head `k`, without `totals`, to the CPU. The second function goes
    /// on from such a state; all heads must have done the same number of steps. The loss is not part of it:
    /// each rank has its own.
    ResumeState state(std::int64_t k) const;
    void restore(std::int64_t k, const ResumeState& state);

    /// Collective: sets all ranks to the state of rank 0, except for the losses. Throws std::runtime_error
    /// when MPI or NCCL fails.
    void share_state(const Communicator& ranks);

    /// Local: the bytes of parameters, gradients, Adam's moments and running statistics.
    std::int64_t bytes() const;

    const Head& head() const { return head_; }
    std::int64_t steps() const { return optimizer_.steps(); }

  private:
    Head head_;
    std::vector<double> learning_rates_;
    Collective& collective_;
    StateBatch nothing_;  // goes through the heads when a share has no sequence
    FlatParameters parameters_;
    Adam optimizer_;
    at::Tensor losses_;  // (K) on the device, so that no step waits for it
};

}  // namespace bv
