#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "comm/collective.hpp"
#include "comm/communicator.hpp"
#include "core/background.hpp"
#include "core/stop_signal.hpp"
#include "device/device.hpp"
#include "programs/train/command.hpp"
#include "programs/train/data.hpp"
#include "programs/train/group.hpp"
#include "programs/train/job.hpp"

namespace bv {

/// Groups of heads alike but for seed and learning rate.
using AlikeJobs = std::vector<std::vector<HeadJob>>;

/// One pass over the states for every epoch, in which several heads are trained on each batch read once.
class HeadTraining {
  public:
    /// Everything handed over by reference must outlive this object. Each group of `jobs` is one batched
    /// computation; all are on the same share of the data and have the same steps done already. `label`, such
    /// as "pass 1 of 2, ", begins what the log says of them.
    HeadTraining(const TrainOptions& options, const Communicator& ranks, const Compute& compute,
                 Collective& collective, const HeadData& data, AlikeJobs jobs, std::string label);

    /// Collective: trains the heads to their ends, scores them after each epoch, and writes all results;
    /// `config` is the resolved configuration. A head whose loss, weights or logits are not finite ends
    /// there, with a warning, and its metrics.json says so; the others go on. Throws Stopped on all ranks
    /// after the stop signal, with the states saved.
    void run(const std::string& config);

  private:
    std::vector<FeatureBatches> shares_of_rank(std::int64_t epoch, std::int64_t first_step) const;
    nlohmann::json train_epoch(std::int64_t epoch);
    void save_where_due();
    void add_losses(std::int64_t step);
    std::vector<double> sum_losses();
    void let_go_of_diverged(const std::vector<bool>& sound);
    void keep(const std::vector<bool>& going_on);
    void drop_unsound(std::vector<Logits>& dev, std::vector<Logits>& held_out);
    nlohmann::json mean_losses(const Trainee& trainee) const;
    std::vector<double> own_losses() const;
    std::vector<Logits> predict(const StateSource& source) const;
    void evaluate(std::int64_t epoch, const nlohmann::json& feeding);
    bool add_line(Trainee& trainee, const nlohmann::json& line) const;
    void finish(const Trainee& trainee, const Head& head, const nlohmann::json& diverged = {});
    std::vector<Trainee*> trainees();

    const TrainOptions& options_;
    const Communicator& ranks_;
    Compute compute_;
    Collective& collective_;
    const HeadData& data_;
    std::string label_;
    std::vector<std::int64_t> rows_of_;
    std::vector<HeadGroup> groups_;
    std::int64_t batch_;
    std::int64_t epochs_;
    double share_;        // of the training questions
    std::int64_t count_;  // features of an epoch
    std::int64_t steps_per_epoch_;
    std::int64_t steps_;  // done
    std::chrono::steady_clock::time_point saved_;
    Background saving_;       // of all heads' states, on rank 0
    bool regrouped_ = false;  // heads have left a group since states were saved
};

}  // namespace bv
