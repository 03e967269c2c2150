#pragma once

#include <filesystem>

#include "programs/eval/command.hpp"

namespace bv {

/// The metrics.json of an evaluation: `path` itself, or the file in the folder `path`.
std::filesystem::path metrics_file(const std::filesystem::path& path);

/// Local: prints the paired bootstrap of the two evaluations that --compare names (paired_bootstrap.hpp), as
/// text or, with --json, as JSON. Throws Error naming the evaluation that has no records, is unlabelled, or
/// does not fit the other.
void compare(const EvalOptions& options);

}  // namespace bv
