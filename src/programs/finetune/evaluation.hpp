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

/// Scores the model that is being trained at each of its checkpoints, as bv_eval does. The features are
/// others than those that it is trained on.
class TuningEvaluation {
  public:
    /// Local: reads the features file --eval-features. Throws Error, which names file or flag, when its
    /// features have no gold answers or do not fit the model, or when the metric does not fit the task.
    TuningEvaluation(const FinetuneOptions& options, const BertConfig& config);

    /// Local: returns the evaluations that `state` holds. Throws Error, which names the file, when they were
    /// made on other features.
    EvaluationHistory history_of(const ResumeState& state) const;

    /// Local: starts from the evaluations that `state` holds. Throws what history_of throws.
    void restore(const ResumeState& state) { history_ = history_of(state); }

    /// Collective: scores `model`, adds the scores to the history of every rank, and logs them. `model` must
    /// be equal on all ranks. It is the checkpoint of `epoch`, reached after `step` steps. `rank_hours` is
    /// the time of training until then: hours by the clock of rank 0, times the number of ranks. Throws
    /// AgreedError, which names a question, when a logit is not finite, and std::runtime_error when MPI or
    /// NCCL fails.
    void evaluate(const Model& model, const EpochFraction& epoch, std::int64_t step, double rank_hours,
                  const Communicator& ranks, Collective& collective);

    const EvaluationHistory& history() const { return history_; }
    const Features& features() const { return features_; }

  private:
    std::filesystem::path path_;
    Features features_;
    std::string fingerprint_;
    EvaluationHistory history_;
};

}  // namespace bv
