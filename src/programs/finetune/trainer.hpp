#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "bert/model.hpp"
#include "comm/collective.hpp"
#include "core/stop_signal.hpp"
#include "device/device.hpp"
#include "optim/adam.hpp"
#include "optim/epoch.hpp"
#include "optim/flat_parameters.hpp"
#include "optim/gradient_sync.hpp"
#include "optim/resume_state.hpp"
#include "optim/schedule.hpp"
#include "programs/finetune/batch_feed.hpp"
#include "programs/finetune/command.hpp"
#include "programs/finetune/evaluation.hpp"
#include "programs/finetune/phase_clock.hpp"
#include "programs/finetune/run_files.hpp"
#include "programs/finetune/run_totals.hpp"
#include "programs/finetune/step_trace.hpp"
#include "squad/features/features.hpp"

namespace bv {

/// Local: the trained parameters of `model`, flat as a FineTuning keeps them.
FlatParameters flatten(const Model& model);

/// One run of training: the data that it reads, the model that it changes, and its steps.
class FineTuning {
  public:
    /// The model and the data with which training began.
    struct Origin {
        std::string model;     ///< fingerprint
        std::string features;  ///< fingerprint
    };

    /// Everything that training needs, except the model. All references must outlive the FineTuning.
    struct Setting {
        const FinetuneOptions& options;
        std::string config;  ///< the resolved configuration, for checkpoints
        const Communicator& ranks;
        Collective& collective;
        Compute compute;
        const Features& features;
        Origin origin;
        std::vector<EpochFraction> plan;  ///< epochs that get a checkpoint; the last one ends training
    };

    /// Local: moves `model`, which must outlive this object, to the rank's device and sets its precision.
    /// Only ranks 0 to `sharing` - 1 get examples.
    FineTuning(Setting setting, Model& model, int sharing);

    /// Collective: trains to the end. If `state` is given, training goes on from there; only rank 0 needs the
    /// tensors of `state`. Only rank 0 has `files`. If `evaluation` is given, it scores the checkpoints and
    /// may end training early. In that case the state stays on disk, so that a run with more patience can go
    /// on. After the stop signal this function saves the state and throws Stopped on all ranks. Throws
    /// AgreedError when a file cannot be written, when the loss or a gradient is not finite (--non-finite
    /// stop), or when evaluate throws it. Throws std::runtime_error when MPI or NCCL fails.
    void run(std::optional<ResumeState> state, std::optional<TuningFiles>& files,
             std::optional<TuningEvaluation>& evaluation);

    /// Collective: trains the first `steps` steps, or all if there are fewer, and returns the loss of the
    /// global batch at each step. Writes nothing; the weights change. Throws AgreedError when the loss or a
    /// gradient is not finite (--non-finite stop), std::runtime_error when MPI or NCCL fails.
    std::vector<double> losses(std::int64_t steps);

  private:
    struct Outcome {
        double loss;  ///< loss of the global batch
        bool stop;    ///< whether any rank was told to stop
    };

    void begin(std::optional<ResumeState> state);
    void on_root(const std::function<void(TuningFiles&)>& work) const;
    void save(const std::function<void(TuningFiles&)>& work);
    std::int64_t trained_count() const;
    nlohmann::json totals(double seconds) const;
    bool is_finished() const;
    bool stopped_early() const { return is_finished() && steps_ < total_steps_; }
    ResumeState current_state(double seconds) const;
    void restore(const ResumeState& state);
    double loss_scale(std::int64_t global_batch) const;
    Outcome train(std::int64_t step);
    double add_gradients(const StepBatch& batch, std::int64_t step);
    void end_phase(PhaseClock::Phase phase);
    double reach_checkpoints(double seconds);
    void require_finite_weights() const;
    void save_where_due(bool told_to_stop, double seconds);
    void finish(double seconds);

    const FinetuneOptions& options_;
    std::string config_;
    const Communicator& ranks_;
    Compute compute_;
    const Features& features_;
    Origin origin_;
    Model& model_;
    std::vector<EpochFraction> plan_;
    std::int64_t steps_per_epoch_;
    std::int64_t total_steps_;
    FlatParameters flat_;
    Collective& collective_;
    GradientSync sync_;
    BatchFeed feed_;
    Adam optimizer_;
    Schedule schedule_;
    PhaseClock clock_;
    std::optional<TuningFiles>* files_ = nullptr;
    TuningEvaluation* evaluation_ = nullptr;
    nlohmann::json evaluations_ = nlohmann::json::array();  ///< of the run before the interruption
    std::optional<StepTrace> trace_;                        ///< only on rank 0, with --trace
    std::int64_t steps_ = 0;                                ///< steps done
    RunTotals totals_;
    std::chrono::steady_clock::time_point state_saved_;  ///< or when training began
};

}  // namespace bv
