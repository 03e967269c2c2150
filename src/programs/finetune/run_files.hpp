#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "bert/model.hpp"
#include "comm/communicator.hpp"
#include "core/background.hpp"
#include "io/json_lines.hpp"
#include "optim/checkpoint.hpp"
#include "optim/resume_state.hpp"
#include "programs/finetune/choices.hpp"

namespace bv {

/// The files that a run of fine-tuning writes into its output folder: checkpoints/, resume/ and metrics/.
/// Only rank 0 has this object. Weights are written in the background, from copies.
class TuningFiles {
  public:
    /// `model` is the folder with which training began. Its tokenizer is read now and written into every
    /// checkpoint. Throws Error, which names the file, if it cannot be read. `config` is the resolved
    /// configuration. If there are `replaced` epochs, all checkpoints of an earlier run are removed before
    /// training begins, those of these epochs first.
    TuningFiles(std::filesystem::path output, const std::filesystem::path& model,
                const nlohmann::json& recipe, std::string config, std::vector<EpochFraction> replaced);

    /// Writes recipe and configuration, and begins the log. If an interrupted run goes on after `steps`
    /// steps, its lines up to there are kept; if `steps` is 0, the log is empty. Throws Error, which names
    /// the path.
    void begin(std::int64_t steps);

    /// Appends a line to metrics/finetune.jsonl. Throws Error, which names the path.
    void log(const nlohmann::json& line) { metrics_->append(line); }

    /// Waits for the previous write, then starts to write checkpoints/epoch-<fraction>/, unless a whole
    /// checkpoint of an earlier run of the same recipe is there. Throws the error of the previous write, if
    /// it failed.
    void write_checkpoint(const CheckpointInfo& info, const Model& model);

    /// Waits for the previous write, then starts to write a resume state. `copy` makes the state after that
    /// wait, so that there are never two copies in memory. Throws the error of the previous write, if it
    /// failed.
    void write_state(const std::function<ResumeState()>& copy);

    /// Throws the error of the previous write, if that has ended and failed. Does not wait.
    void check() { background_.check(); }

    /// Waits until everything is on disk. Throws the error of a write that failed.
    void wait() { background_.wait(); }

    /// Appends the summary to the log, and then removes the resume states, because training is over, unless
    /// `keeps_state`. Everything else must be on disk.
    void finish(const nlohmann::json& summary, bool keeps_state);

  private:
    std::filesystem::path output_;
    std::vector<std::pair<std::string, std::string>> tokenizer_;  ///< names and contents of its files
    nlohmann::json recipe_;
    std::string config_;
    std::vector<EpochFraction> replaced_;
    std::optional<MetricsFile> metrics_;
    Background background_;
};

/// The facts about an earlier run that its output folder shows.
struct EarlierRun {
    bool replaces = false;   ///< --force lets the new run replace the earlier run's checkpoints
    bool finished = false;   ///< it has ended with all wanted checkpoints, or stopped early
    bool evaluated = false;  ///< it has scored checkpoints
    /// The state from which training can go on, or at which it stopped early. Only rank 0 has the tensors.
    std::optional<ResumeState> state;
    std::string precision;  ///< of the unfinished run's matrix products; empty if there is none
};

/// The run that the flags ask for.
struct WantedRun {
    const nlohmann::json& recipe;
    const std::vector<EpochFraction>& plan;  ///< epochs that get a checkpoint
    std::int64_t last_step = 0;              ///< number of steps until the last one
    ResumeRule resume = ResumeRule::automatic;
    bool force = false;
    /// Whether --patience ends training at this state. It may throw Error.
    std::function<bool(const ResumeState&)> stopped_early;
};

/// Collective: rank 0 looks in `output` for a run of the same recipe, and all ranks return the result. Throws
/// AgreedError when `output` holds results of another run, or any checkpoint although training would begin
/// anew, and `force` is false, or when `resume` is `must` and there is nothing to resume. Throws
/// std::runtime_error when MPI fails.
EarlierRun find_earlier_run(const std::filesystem::path& output, const WantedRun& wanted,
                            const Communicator& ranks);

/// Collective: throws AgreedError, which names the epoch, unless each epoch of `plan` that is reached within
/// `step` steps has a whole checkpoint in `output`. A run that goes on after `step` steps cannot write it. A
/// state is saved only after the checkpoints before it, so such an epoch was not in the plan of that run.
void require_passed_checkpoints(const std::filesystem::path& output, const std::vector<EpochFraction>& plan,
                                std::int64_t steps_per_epoch, std::int64_t step, const Communicator& ranks);

}  // namespace bv
