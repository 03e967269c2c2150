#pragma once

#include "config/command_line.hpp"
#include "programs/eval/evaluation.hpp"

namespace bv {

/// Local: scores the logits, and writes answers, scores and, last, metrics.json into --output. Prints what
/// --show asks for.
void write_results(const EvalOptions& options, const CommandLine& line, const Evaluation& evaluation);

}  // namespace bv
