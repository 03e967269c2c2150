#pragma once

#include "programs/eval/command.hpp"

namespace bv {

/// Local: scores the file of answers that --predictions names, as the official script does. Prints the
/// questions that --show asks for, then the scores, and writes them into metrics.json in --output, if there
/// is one. Throws Error naming the file that is wrong.
void score_predictions(const EvalOptions& options, const CommandLine& line);

}  // namespace bv
