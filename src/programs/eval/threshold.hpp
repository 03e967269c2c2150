#pragma once

#include <optional>

#include <nlohmann/json.hpp>

#include "programs/eval/evaluation.hpp"

namespace bv {

/// Local: the threshold of --threshold-from for an evaluation whose features are read; no value without that
/// flag. It is the threshold with the best F1: on its held-out questions for a head that was trained with
/// --held-out, otherwise on all questions of that evaluation. If no threshold beats the answer "none" to
/// every question, it is below all null odds. Throws Error, which names the file, if the file has no
/// threshold, if it is of another task, of features with other settings or of the questions that are to be
/// scored, or if it is of another model than the evaluation.
std::optional<ChosenThreshold> chosen_threshold(const EvalOptions& options, const Evaluation& evaluation,
                                                Task task);

}  // namespace bv
