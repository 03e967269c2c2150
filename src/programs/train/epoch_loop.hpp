#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
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
#include "states/feed.hpp"

namespace bv {

/// Groups of heads; the heads of a group differ only in seed and learning rate.
using AlikeJobs = std::vector<std::vector<HeadJob>>;

/// One pass over the states for each epoch. Each batch is read once, and all heads are trained on it.
class HeadTraining {
  public:
    /// Local. All arguments passed by reference must outlive this object. The heads of each group of `jobs`
    /// are computed as one batch. All jobs have the same share of the data and go on from the same place.
    /// `label`, for example "pass 1 of 2, ", begins the lines of the log.
    HeadTraining(const TrainOptions& options, const Communicator& ranks, const Compute& compute,
                 Collective& collective, const HeadData& data, AlikeJobs jobs, std::string label);

    /// Collective: trains the heads to the end, scores them after each epoch, and writes all results.
    /// `config` is the resolved configuration. If a head's loss, weights or logits are not finite, its
    /// training ends there with a warning, and its metrics.json says so; the other heads go on. After the
    /// stop signal it saves the states and throws Stopped on all ranks. Throws AgreedError, which names the
    /// path, when a file cannot be read or written. Throws Error, which names the store, only on the rank
    /// that reads a damaged block. Throws std::runtime_error when MPI or NCCL fails.
    void run(const std::string& config);

  private:
    std::vector<FeatureBatches> shares_of_rank(std::int64_t epoch, std::int64_t first_step) const;
    nlohmann::json train_epoch(std::int64_t epoch);
    void save_where_due();
    void save_states(bool wait);
    void add_losses(std::int64_t step);
    nlohmann::json now() const;
    bool has_ended(const Trainee& trainee) const;
    void finish_ended();
    void keep(const std::vector<bool>& going_on);
    void find_diverged(const std::vector<Logits>& dev, const std::vector<Logits>& held_out);
    nlohmann::json mean_losses(const Trainee& trainee) const;
    std::vector<double> own_losses() const;
    std::vector<Logits> predict(const StateSource& source) const;
    void evaluate(std::int64_t epoch, const nlohmann::json& feeding);
    bool add_line(Trainee& trainee, const nlohmann::json& line) const;
    nlohmann::ordered_json sources() const;
    void finish(const Trainee& trainee, const Head& head);
    std::vector<Trainee*> trainees();

    const TrainOptions& options_;
    const Communicator& ranks_;
    Compute compute_;
    Collective& collective_;
    const HeadData& data_;
    std::string label_;
    std::vector<std::int64_t> rows_of_;
    std::vector<HeadGroup> groups_;
    std::optional<StateFeed> feed_;  // from the first batch to the last one of all epochs
    std::int64_t batch_;
    std::int64_t epochs_;
    double share_;        // share (0 to 1) of the training questions
    std::int64_t count_;  // number of features in an epoch
    std::int64_t steps_per_epoch_;
    std::int64_t steps_;  // steps done
    std::chrono::steady_clock::time_point saved_;
    Background saving_;  // writes the states of all heads, on rank 0
};

}  // namespace bv
