#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "adapter/shared_batch.hpp"
#include "core/stop_signal.hpp"
#include "dist/collective.hpp"
#include "dist/communicator.hpp"
#include "stages/device.hpp"
#include "stages/evaluation_history.hpp"
#include "stages/head_data.hpp"
#include "stages/head_files.hpp"
#include "stages/head_job.hpp"
#include "stages/head_trainer.hpp"
#include "stages/train.hpp"

namespace bv {

/// One pass over the states for every epoch, in which several heads are trained on each batch read once.
class HeadTraining {
  public:
    /// Everything handed over by reference must outlive this object. `jobs` are on the same share of the data
    /// and have the same steps done already; `label`, such as "pass 1 of 2, ", begins what the log says of
    /// it.
    HeadTraining(const TrainOptions& options, const Communicator& ranks, const Compute& compute,
                 const StopSignal& stop, Collective& collective, const HeadData& data,
                 std::vector<HeadJob> jobs, std::string label);

    /// Collective: trains the heads to their ends, scores them after each epoch, and writes all results;
    /// `config` is the resolved configuration. Throws Stopped on all ranks after the stop signal, with the
    /// states saved.
    void run(const std::string& config);

  private:
    /// Loss summed over all ranks since the epoch began.
    struct LossSoFar {
        std::int64_t step;  // of the epoch
        double sum;
    };

    /// A head in training.
    struct Trainee {
        HeadJob job;
        std::unique_ptr<HeadTrainer> trainer;
        std::optional<EvaluationHistory> history;  // on the held-out questions
        nlohmann::json lines = nlohmann::json();   // of the log, one an epoch
        std::vector<LossSoFar> losses;             // of the epoch at hand, after every tenth
        double step_seconds = 0;                   // its steps of the epoch at hand took, on CPUs
        std::optional<HeadFiles> files;            // rank 0 alone
    };

    /// Heads that take their steps as one computation, on the states that they read.
    struct Alike {
        std::vector<Trainee*> trainees;
        std::vector<HeadTrainer*> trainers;
        std::int64_t first_state;
    };

    void restore(Trainee& trainee) const;
    std::vector<Alike> alike();
    void take_step(const Alike& heads, SharedBatch& share, std::int64_t global_batch) const;
    std::vector<FeatureBatches> shares_of_rank(std::int64_t epoch, std::int64_t first_step) const;
    nlohmann::json train_epoch(std::int64_t epoch);
    void save_where_due();
    void add_losses(std::int64_t step);
    nlohmann::json mean_losses(const Trainee& trainee) const;
    std::vector<double> own_losses() const;
    std::vector<Logits> predict(const StateSource& source) const;
    void evaluate(std::int64_t epoch, const nlohmann::json& feeding);
    bool add_line(Trainee& trainee, const nlohmann::json& line) const;
    void finish(const Trainee& trainee) const;

    const TrainOptions& options_;
    const Communicator& ranks_;
    Compute compute_;
    const StopSignal& stop_;
    Collective& collective_;
    const HeadData& data_;
    std::string label_;
    std::vector<std::int64_t> rows_of_;
    std::vector<Trainee> trainees_;
    std::int64_t batch_;
    std::int64_t epochs_;
    double share_;        // of the training questions
    std::int64_t count_;  // features of an epoch
    std::int64_t steps_per_epoch_;
    std::int64_t steps_;  // done
    std::chrono::steady_clock::time_point saved_;
};

}  // namespace bv
