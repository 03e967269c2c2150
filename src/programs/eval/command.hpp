#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "core/task.hpp"
#include "device/device.hpp"
#include "squad/scoring/answers.hpp"
#include "squad/scoring/probabilities.hpp"

namespace bv {

class CommandLine;

/// What bv_eval evaluates. It follows from the flags that are given.
enum class EvalMode {
    checkpoint,   ///< a model, on features: --checkpoint --features
    head,         ///< a head, on states: --head, and --store or --checkpoint --features
    logits,       ///< files of logits, several as one ensemble: --logits --features
    predictions,  ///< a file of answers: --predictions --squad
};

/// Flags of bv_eval.
struct EvalOptions {
    std::filesystem::path checkpoint;
    std::optional<Task> task;  ///< none = what checkpoint.json says
    std::filesystem::path head;
    std::filesystem::path store;
    bool allow_other_checkpoint = false;
    std::vector<std::filesystem::path> logits;
    Combine combine = Combine::max;
    std::filesystem::path features;
    std::filesystem::path predictions;
    std::filesystem::path squad;
    std::filesystem::path na_probs;
    double na_prob_threshold = 1.0;
    AnswerOptions answers;
    std::int64_t show = 0;  ///< questions to print
    std::filesystem::path output;
    ComputeOptions compute;
    bool force = false;

    void declare(CommandLine& line);
};

/// Collective: turns logits into predictions and scores. The logits are those of a fine-tuned checkpoint or
/// of a head, which all ranks compute together, or come from files. Rank 0 writes into OUTPUT:
/// logits.safetensors (where they were computed); predictions.json, nbest_predictions.json and null_odds.json
/// (span) or na_probs.json (classification, P(no answer) of each question); config.toml; and, last,
/// metrics.json. A bare predictions file is scored as the official script does, on standard output and, with
/// OUTPUT, in metrics.json. With --show it prints the first questions, their answers and predictions.
void eval(const EvalOptions& options, const CommandLine& line, const Communicator& ranks);

}  // namespace bv
