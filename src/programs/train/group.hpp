#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json.hpp>

#include "comm/collective.hpp"
#include "comm/communicator.hpp"
#include "heads/shared_batch.hpp"
#include "programs/shared/evaluation_history.hpp"
#include "programs/train/job.hpp"
#include "programs/train/optimizer_step.hpp"
#include "programs/train/run_files.hpp"

namespace bv {

/// The loss of a head, summed over all ranks since the start of the epoch.
struct LossSoFar {
    std::int64_t step;  ///< steps since the start of the epoch
    double sum;
};

/// What a group knows about one of its heads, besides the head itself.
struct Trainee {
    HeadJob job;
    std::optional<EvaluationHistory> history = {};  ///< its scores on the held-out questions
    /// The lines of the log, one for each epoch. Null until there is a line or a state.
    nlohmann::json lines = nlohmann::json();
    std::vector<LossSoFar> losses = {};  ///< losses after each tenth of the current epoch
    double step_seconds = 0;             ///< seconds of its steps in the current epoch, on CPUs
    /// {"epoch", "step"} after which its loss, weights or logits were not finite. Null until then.
    nlohmann::json diverged = nlohmann::json();
    std::optional<HeadFiles> files = {};  ///< only on rank 0
};

/// Heads in training that differ only in seed and learning rate and are computed as one batch.
class HeadGroup {
  public:
    /// Local. `collective` must outlive this object.
    HeadGroup(std::vector<Trainee> trainees, std::int64_t hidden_size, at::Device device,
              Collective& collective);

    /// Local: (K) the facts about each head, in the order of `head`.
    const std::vector<Trainee>& trainees() const { return trainees_; }
    std::vector<Trainee>& trainees() { return trainees_; }

    const Head& head() const { return trainer_->head(); }
    std::int64_t first_state() const { return trainees_.front().job.first_state; }

    /// Collective: one step of all heads on a global batch of `global_batch` sequences. `share` is this
    /// rank's part of it. The time of the step is divided among the heads. Throws std::runtime_error when MPI
    /// or NCCL fails.
    void step(SharedBatch& share, std::int64_t global_batch);

    /// Local: (K) this rank's losses since the start of the epoch. Sets them to 0.
    std::vector<double> losses() const { return trainer_->losses(); }
    void clear_losses();

    /// Local: (K) for each head whether all its weights are finite.
    std::vector<bool> finite() const { return trainer_->finite(); }

    /// Local: a copy of the training state of head `k` on the CPU, with the losses of all ranks. It names the
    /// group, so that a resumed run computes the same heads as one batch (HeadJob::group).
    HeadState state(std::size_t k, const std::vector<double>& losses_of_ranks) const;

    /// Collective: sets every head to the state after `steps` steps in its folder, which rank 0 reads.
    /// Throws AgreedError, which names the missing or damaged file, and std::runtime_error when MPI or NCCL
    /// fails.
    void restore(std::int64_t steps, const Communicator& ranks);

    /// Local: keeps only some of the heads, at least one. From here on these are computed as one batch.
    void keep(const std::vector<std::size_t>& some);

  private:
    void make_trainer();

    std::vector<Trainee> trainees_;
    std::int64_t hidden_size_;
    at::Device device_;
    Collective* collective_;
    std::unique_ptr<HeadTrainer> trainer_;
};

/// Local: the losses in a JSON list. JSON knows no NaN and no infinity: it has null in their place.
std::vector<double> losses_in(const nlohmann::json& list);

/// Local: copies of the training states of all heads on the CPU, group after group, with each rank's losses
/// in the same order.
std::vector<HeadState> states_of(const std::vector<HeadGroup>& groups,
                                 const std::vector<std::vector<double>>& losses_of_ranks);

}  // namespace bv
