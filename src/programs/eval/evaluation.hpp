#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "comm/communicator.hpp"
#include "programs/eval/command.hpp"
#include "programs/shared/head_logits.hpp"
#include "squad/features/features.hpp"

namespace bv {

/// A null threshold that was found on other questions.
struct ChosenThreshold {
    double value = 0;
    nlohmann::ordered_json source;  ///< its metrics.json, as source_of names it
};

/// The logits to score, and their origin.
struct Evaluation {
    Features features;
    std::string fingerprint;           ///< of the features
    std::vector<Logits> models;        ///< all of one task; several models are an ensemble
    std::vector<std::string> sources;  ///< (models) the checkpoint, head or file of each, for messages
    bool computed = false;             ///< this run has computed the logits
    std::string model;                 ///< its name (scored_model.hpp); empty if it is unknown
    std::optional<ChosenThreshold> threshold;                          ///< of --threshold-from
    nlohmann::ordered_json origin = nlohmann::ordered_json::object();  ///< members of metrics.json
};

/// Local: the task of --checkpoint: that of its checkpoint.json, otherwise --task. Throws Error if they
/// contradict each other or both are missing.
Task task_of(const EvalOptions& options);

/// Collective: computes the logits of the model in --checkpoint for --features.
Evaluation evaluate_checkpoint(const EvalOptions& options, const Communicator& ranks);

/// Collective: computes the logits of --head from the states of --store, or from the states that
/// --checkpoint computes from --features.
Evaluation evaluate_head(const EvalOptions& options, const Communicator& ranks);

/// Local: reads the files that --logits names. Throws Error naming a file that does not belong to --features.
Evaluation evaluate_logits(const EvalOptions& options);

}  // namespace bv
