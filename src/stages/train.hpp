#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "dist/communicator.hpp"
#include "stages/device.hpp"

namespace bv {

class CommandLine;

/// Flags of bv_train.
struct TrainOptions {
    std::filesystem::path store;
    std::filesystem::path dev_store;
    std::filesystem::path checkpoint;
    std::filesystem::path features;
    std::filesystem::path dev_features;
    std::vector<std::string> heads;
    std::filesystem::path output;
    std::string layers = "all";
    std::int64_t epochs = 0;  ///< 0 = the task's default
    std::int64_t batch = 0;   ///< 0 = the task's default
    double learning_rate = 1e-3;
    std::uint64_t seed = 1;
    double cache_gib = 4.0;
    bool allow_other_checkpoint = false;
    ComputeOptions compute;
    bool force = false;

    void declare(CommandLine& line);
};

/// Passes over the training states where the user names no number: the reference's.
std::int64_t default_head_epochs(const std::string& task);

/// Collective: trains heads data-parallel over all ranks, all of them on each batch of states read once, and
/// scores them on the dev states after each epoch. Writes
/// OUTPUT/<head>/epoch-<fraction>/lr-<rate>-seed-<seed>/ for every head: metrics.jsonl (a line an epoch),
/// head.safetensors, head.json, logits.safetensors (dev), config.toml and, last, metrics.json.
void train(const TrainOptions& options, const CommandLine& line, const Communicator& ranks);

}  // namespace bv
