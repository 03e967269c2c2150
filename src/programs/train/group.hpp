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

/// Loss of a head, summed over all ranks since the epoch began.
struct LossSoFar {
    std::int64_t step;  ///< of the epoch
    double sum;
};

/// What is known of a head in training beside itself.
struct Trainee {
    HeadJob job;
    std::optional<EvaluationHistory> history = {};  ///< on the held-out questions
    /// Of the log, one an epoch; null until there is one, or a state.
    nlohmann::json lines = nlohmann::json();
    std::vector<LossSoFar> losses = {};   ///< of the epoch at hand, after every tenth
    double step_seconds = 0;              ///< its steps of the epoch at hand took, on CPUs
    std::optional<HeadFiles> files = {};  ///< rank 0 alone
};

/// Heads in training that are alike but for seed and learning rate: one batched computation.
class HeadGroup {
  public:
    /// Local. `collective` must outlive this object.
    HeadGroup(std::vector<Trainee> trainees, std::int64_t hidden_size, at::Device device,
              Collective& collective);

    /// (K) The heads' own, in the order of `head`.
    const std::vector<Trainee>& trainees() const { return trainees_; }
    std::vector<Trainee>& trainees() { return trainees_; }

    const Head& head() const { return trainer_->head(); }
    std::int64_t first_state() const { return trainees_.front().job.first_state; }

    /// Collective: one step of all on a global batch of `global_batch` sequences, of which `share` is this
    /// rank's part; they share its time.
    void step(SharedBatch& share, std::int64_t global_batch);

    /// Local: (K) this rank's losses since the epoch began, and none from here on.
    std::vector<double> losses() const { return trainer_->losses(); }
    void clear_losses();

    /// Local: (K) whether all weights of a head are finite.
    std::vector<bool> finite() const { return trainer_->finite(); }

    /// Local: a copy on the CPU of where head `k` stands, with the losses of all ranks.
    HeadState state(std::size_t k, const std::vector<double>& losses_of_ranks) const;

    /// Collective: every head goes on from the state after `steps` steps in its folder, which rank 0 reads.
    /// Throws AgreedError naming the folder.
    void restore(std::int64_t steps, const Communicator& ranks);

    /// Local: goes on with some of the heads alone, at least one, in a computation of their own.
    void keep(const std::vector<std::size_t>& some);

  private:
    void make_trainer();

    std::vector<Trainee> trainees_;
    std::int64_t hidden_size_;
    at::Device device_;
    Collective* collective_;
    std::unique_ptr<HeadTrainer> trainer_;
};

/// Local: copies on the CPU of where all heads stand, group after group, with each rank's losses in that
/// order.
std::vector<HeadState> states_of(const std::vector<HeadGroup>& groups,
                                 const std::vector<std::vector<double>>& losses_of_ranks);

}  // namespace bv
