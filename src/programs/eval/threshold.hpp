#pragma once

#include <optional>

#include <nlohmann/json.hpp>

#include "programs/eval/evaluation.hpp"

namespace bv {

/// Local: the threshold of --threshold-from for an evaluation whose features are read; no value without that
/// flag. Of a head that was trained with --held-out it is the best-F1 threshold on its held-out questions,
/// else that of the evaluation as a whole. Throws Error naming the file where it has none, is of another
/// task, of features that were made with other settings, or of the very questions that are to be scored, or
/// where
/// --null-threshold says another.
std::optional<ChosenThreshold> chosen_threshold(const EvalOptions& options, const Evaluation& evaluation,
                                                Task task);

}  // namespace bv
