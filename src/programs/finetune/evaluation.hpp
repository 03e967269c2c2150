#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "bert/model.hpp"
#include "comm/collective.hpp"
#include "comm/communicator.hpp"
#include "optim/epoch.hpp"
#include "optim/resume_state.hpp"
#include "programs/shared/evaluation_history.hpp"
#include "squad/features/features.hpp"

namespace bv {

struct FinetuneOptions;

/// Scores the model in training at its checkpoints, as bv_eval would, on features on which it is not
/// trained.
class TuningEvaluation {
  public:
    /// Local: reads --eval-features. Throws Error naming file or flag unless they have gold answers and fit
    /// the model, and the metric fits the task.
    TuningEvaluation(const FinetuneOptions& options, const BertConfig& config);

    /// Local: the evaluations of the run that left `state`. Throws Error when they used other features.
    EvaluationHistory history_of(const ResumeState& state) const;

    /// Local: takes these evaluations as the ones before its own.
    void restore(const ResumeState& state) { history_ = history_of(state); }

    /// Collective: scores `model` (equal on all ranks), which is the checkpoint of `epoch` after `step` steps
    /// and `rank_hours` of training by rank 0's clock, and says so in the log. All ranks get the same
    /// history.
    void evaluate(const Model& model, const EpochFraction& epoch, std::int64_t step, double rank_hours,
                  const Communicator& ranks, Collective& collective);

    const EvaluationHistory& history() const { return history_; }

  private:
    std::filesystem::path path_;
    Features features_;
    std::string fingerprint_;
    EvaluationHistory history_;
};

}  // namespace bv
