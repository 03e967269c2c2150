#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "bert/model.hpp"
#include "comm/communicator.hpp"
#include "core/background.hpp"
#include "io/json_lines.hpp"
#include "optim/checkpoint.hpp"
#include "optim/resume_state.hpp"

namespace bv {

/// What a run of fine-tuning leaves in its output folder: checkpoints/, resume/ and metrics/. Rank 0 alone
/// has one. Weights are written in the background, from copies.
class TuningFiles {
  public:
    /// `model` is the folder training began with, whose tokenizer goes into every checkpoint.
    /// The checkpoints of `replaced` epochs, which an earlier run may have left, go before training begins.
    TuningFiles(std::filesystem::path output, std::filesystem::path model, const nlohmann::json& recipe,
                std::vector<EpochFraction> replaced);

    /// Begins the log: anew, or after `steps` steps of an interrupted run, whose lines stay. Throws Error.
    void begin(std::int64_t steps);

    /// Appends a line to metrics/finetune.jsonl. Throws Error.
    void log(const nlohmann::json& line) { metrics_->append(line); }

    /// Starts to write checkpoints/epoch-<fraction>/. Throws what went wrong with the writing before.
    void write_checkpoint(const CheckpointInfo& info, const Model& model);

    /// Starts to write a resume state. `copy` makes it once the writing before is done, so that there are
    /// never two copies in memory. Throws what went wrong with the writing before.
    void write_state(const std::function<ResumeState()>& copy);

    /// Throws what went wrong with the writing before, if it has ended; does not wait.
    void check() { background_.check(); }

    /// Waits until everything is on disk, and throws what went wrong.
    void wait() { background_.wait(); }

    /// Waits, and removes the resume states: training is over.
    void finish();

  private:
    std::filesystem::path output_;
    std::filesystem::path model_;
    nlohmann::json recipe_;
    std::vector<EpochFraction> replaced_;
    std::optional<MetricsFile> metrics_;
    Background background_;
};

/// What an output folder says of a run before this one.
struct EarlierRun {
    bool replaces = false;  ///< --force lets a new run replace its checkpoints
    bool finished = false;  ///< all wanted checkpoints are there, or it stopped early
    /// Where it can go on, or stopped early. Rank 0 alone has the tensors.
    std::optional<ResumeState> state;
    std::string precision;  ///< of that state's matrix products; empty where there is none, or no record
};

/// Collective: rank 0 looks into `output` for a run of the same recipe, and tells the others. `resume` is
/// auto, never or must; `stopped_early` says whether a run that got as far as a state shall end there. Throws
/// AgreedError when there is something of another run that `force` does not allow to replace, or nothing to
/// resume where there must be.
EarlierRun find_earlier_run(const std::filesystem::path& output, const nlohmann::json& recipe,
                            const std::vector<EpochFraction>& plan, const std::string& resume, bool force,
                            const std::function<bool(const ResumeState&)>& stopped_early,
                            const Communicator& ranks);

}  // namespace bv
