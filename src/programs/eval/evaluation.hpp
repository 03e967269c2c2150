#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "comm/communicator.hpp"
#include "programs/eval/command.hpp"
#include "programs/shared/head_logits.hpp"
#include "squad/features/features.hpp"

namespace bv {

/// Logits that are to be scored, and where they came from.
struct Evaluation {
    Features features;
    std::string fingerprint;           ///< of the features
    std::vector<Logits> models;        ///< several are an ensemble; all are of one task
    std::vector<std::string> sources;  ///< (models) what made each, for messages
    bool computed = false;             ///< the logits are new, not read from a file
    nlohmann::ordered_json origin = nlohmann::ordered_json::object();  ///< members of metrics.json
};

/// A file or folder as metrics.json names it; without a fingerprint, that of the file is taken.
nlohmann::ordered_json source_of(const std::filesystem::path& file);
nlohmann::ordered_json source_of(const std::filesystem::path& path, const std::string& fingerprint);

/// Collective: computes the logits of the model in --checkpoint over --features.
Evaluation evaluate_checkpoint(const EvalOptions& options, const Communicator& ranks);

/// Collective: computes the logits of --head over the states of --store, or over those that --checkpoint
/// makes of --features.
Evaluation evaluate_head(const EvalOptions& options, const Communicator& ranks);

/// Local: reads the files of --logits, which are of --features.
Evaluation evaluate_logits(const EvalOptions& options);

}  // namespace bv
