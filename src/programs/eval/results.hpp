#pragma once

#include "config/command_line.hpp"
#include "programs/eval/evaluation.hpp"

namespace bv {

/// Local: scores the logits. Writes all files of an evaluation into --output, metrics.json as the last.
/// Prints the questions that --show asks for.
void write_results(const EvalOptions& options, const CommandLine& line, const Evaluation& evaluation);

}  // namespace bv
