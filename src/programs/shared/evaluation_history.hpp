#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/task.hpp"

namespace bv {

/// The metrics of all tasks, as --eval-metric takes them.
std::vector<std::string> eval_metrics();

/// The evaluations of a model or head in training, in order, judged by one metric. This object knows which
/// was best, how much better the last one was than the one before, and whether it is time to stop. An
/// evaluation is a JSON object with "epoch" and the score objects of metrics.json. The epoch of a head is a
/// whole number; the epoch of fine-tuning is the text of an exact fraction. Evaluations of fine-tuning also
/// have "step", "features" (a fingerprint) and "rank_hours" (hours of training so far times ranks).
class EvaluationHistory {
  public:
    /// `metric` is em, f1 or best_f1 in the span task, accuracy or f1 in classification. `patience` is the
    /// number of evaluations in a row without a better value after which training stops; 0 never stops it.
    /// Throws Error, which names the flag, when the task has no such metric.
    EvaluationHistory(Task task, const std::string& metric, std::int64_t patience);

    /// Replaces the evaluations by those of an earlier run, as `all` returns them.
    void restore(nlohmann::json evaluations) { all_ = std::move(evaluations); }

    /// Adds an evaluation at the end.
    void add(nlohmann::json evaluation) { all_.push_back(std::move(evaluation)); }

    /// All evaluations, as a JSON array.
    const nlohmann::json& all() const { return all_; }

    /// Whether the last `patience` evaluations were not better than the best one before them.
    bool out_of_patience() const;

    /// The number of the first evaluation with the highest value, counted from 1; 0 when there is none.
    std::int64_t best_place() const;

    /// That evaluation: {"epoch", "metric", "value"}; null when there is no evaluation.
    nlohmann::json best() const;

    /// "epoch 0.8, F1 61.23": the best evaluation, as text for the log.
    std::string best_text() const;

    /// "epoch 0.3: EM 55.10, F1 60.30, has-answer F1 ..., best F1 61.02; +2.30 F1 in 0.05 rank-hours (46.0 F1
    /// an hour)": the last evaluation, as text for the log, and the gain since the one before. `hours` is the
    /// word for rank-hours: "rank-hours" or "GPU-hours".
    std::string last_text(const std::string& hours) const;

  private:
    double value(const nlohmann::json& evaluation) const;
    std::size_t best_index() const;

    std::string metric_;
    std::string label_;                   ///< name of the metric in a sentence
    nlohmann::json::json_pointer place_;  ///< place of the metric in an evaluation
    std::int64_t patience_;
    nlohmann::json all_ = nlohmann::json::array();
};

}  // namespace bv
