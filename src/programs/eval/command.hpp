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

/// What bv_eval does. The flags that the user gives decide it.
enum class EvalMode {
    checkpoint,   ///< evaluates a model on features: --checkpoint --features
    pooled,       ///< writes a head's rows before its last block: --pooled, and as for a head
    head,         ///< evaluates a head on states: --head, and --store or --checkpoint --features
    logits,       ///< evaluates files of logits; several files are one ensemble: --logits --features
    predictions,  ///< scores a file of answers: --predictions --squad
    compare,      ///< compares two evaluations: --compare
    serve,        ///< answers questions from standard input: --serve --checkpoint --features
};

/// Flags of bv_eval.
struct EvalOptions {
    std::filesystem::path checkpoint;
    std::optional<Task> task;                  ///< without a value, checkpoint.json says it
    std::vector<std::filesystem::path> heads;  ///< several only with --serve
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
    std::filesystem::path threshold_from;
    std::vector<std::filesystem::path> compare;
    bool json = false;
    bool serve = false;
    std::filesystem::path pooled;
    std::int64_t show = 0;  ///< number of questions to print
    std::filesystem::path output;
    ComputeOptions compute;
    bool force = false;

    void declare(CommandLine& line);
};

/// Collective: turns logits into predictions and scores. All ranks compute the logits of a fine-tuned
/// checkpoint or of a head together; other logits come from files. Rank 0 writes these files into OUTPUT:
/// - logits.safetensors, if the logits were computed,
/// - questions.safetensors, the answers and verdicts of each question,
/// - predictions.json, nbest_predictions.json and null_odds.json (span), or na_probs.json (classification:
///   P(no answer) of each question),
/// - config.toml,
/// - metrics.json, which is written last.
///
/// A file of predictions is scored as the official script does. The scores go to standard output and, with
/// OUTPUT, into metrics.json. With --show rank 0 prints the first questions with their gold answers and their
/// predictions. With --compare it prints how two earlier evaluations differ, and writes nothing. With --serve
/// it answers questions (serve.hpp), and writes nothing. With --pooled it writes that file only (pooled.hpp).
/// Throws AgreedError on all ranks: flags that do not go together, files that are missing, damaged or do not
/// fit each other, an output that exists or that another process writes, logits that are not finite. Throws
/// Stopped when told to stop.
void eval(const EvalOptions& options, const CommandLine& line, const Communicator& ranks);

}  // namespace bv
