#pragma once

#include "programs/eval/command.hpp"

namespace bv {

/// Local: scores a file of answers as the official script does, on standard output, after what --show asks
/// for, and, where there is an --output, in its metrics.json. Throws Error naming the file that is wrong.
void score_predictions(const EvalOptions& options, const CommandLine& line);

}  // namespace bv
