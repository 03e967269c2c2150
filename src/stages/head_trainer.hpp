#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "adapter/head.hpp"
#include "dist/collective.hpp"
#include "optim/adam.hpp"
#include "optim/flat_parameters.hpp"
#include "optim/resume_state.hpp"

namespace bv {

/// A head in training. Nothing of it depends on heads trained beside it, so that it gets the same bits alone
/// (but for `step_together`): its gradients are summed over the ranks in a buffer of their own.
class HeadTrainer {
  public:
    /// Local. Moves `head` to `device`; `collective` must outlive this object. Adam with Keras's epsilon
    /// 1e-8, at the constant rate `learning_rate`.
    HeadTrainer(Head head, double learning_rate, at::Device device, Collective& collective);
    HeadTrainer(const HeadTrainer&) = delete;
    HeadTrainer& operator=(const HeadTrainer&) = delete;
    ~HeadTrainer() = default;

    /// Collective: one update from the mean loss over a global batch of `global_batch` sequences, of which
    /// `share` is this rank's part, possibly without any. Its statistics and dropout masks are those of the
    /// whole batch: any number of ranks trains the same head.
    void step(const StateBatch& share, std::int64_t global_batch) {
        step_together({this}, share, global_batch);
    }

    /// Collective: `step` of each of `alike`, heads of one definition after equally many steps, as one
    /// batched computation (see Head::forward_alike), which changes them by its rounding alone.
    static void step_together(const std::vector<HeadTrainer*>& alike, const StateBatch& share,
                              std::int64_t global_batch);

    /// Local: the loss of this rank's sequences, summed since it was set to 0.
    double loss() const;
    void set_loss(double loss);

    /// Local: where training stands, but for `totals`, copied to the CPU; and from there on. The loss is no
    /// part of it: each rank has its own.
    ResumeState state() const;
    void restore(const ResumeState& state);

    /// Local: bytes of parameters, gradients, Adam's moments and running statistics.
    std::int64_t bytes() const;

    const Head& head() const { return head_; }
    std::int64_t steps() const { return optimizer_.steps(); }

  private:
    Head head_;
    double learning_rate_;
    Collective& collective_;
    StateBatch nothing_;  // what goes through the head where a share has no sequence
    FlatParameters parameters_;
    Adam optimizer_;
    at::Tensor loss_;  // scalar on the device, so that no step waits for it
};

}  // namespace bv
