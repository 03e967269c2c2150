#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "core/task.hpp"
#include "device/device.hpp"

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
    std::vector<double> learning_rates{1e-3};
    std::vector<std::uint64_t> seeds{1};
    std::uint64_t data_seed = 1;
    double cache_gib = 4.0;
    double memory_gib = 0;  ///< GiB of a rank; 0 = half of the free memory
    double held_out = 0;
    std::vector<double> shares{1};
    std::string eval_metric = "f1";
    std::int64_t patience = 0;  ///< 0 = all epochs
    double resume_every = 10;   ///< minutes
    bool allow_other_checkpoint = false;
    ComputeOptions compute;
    bool force = false;

    void declare(CommandLine& line);

  private:
    void declare_heads_and_data(CommandLine& line);
    void declare_training(CommandLine& line);
};

/// The passes over the training states when the user gives no number: those of the reference.
std::int64_t default_head_epochs(Task task);

/// Collective: trains heads data-parallel over all ranks, each at every learning rate with every seed, all of
/// them on each batch of states read once, and scores them on the dev states after each epoch; in a pass of
/// its own for each share of the data. Writes OUTPUT/<head>/epoch-<fraction>/lr-<rate>-seed-<seed>/ for each
/// (then -layers-<list> or -layer-<l>, and -share-<s>, where it reads less): metrics.jsonl (a line an epoch,
/// with the mean loss of each tenth of it), head.safetensors, head.json, logits.safetensors (dev),
/// config.toml and, last, metrics.json. A head that has all this already is left alone. On the stop signal it
/// writes a state into each head's resume/ and throws Stopped on all ranks; started again, it goes on from
/// there.
void train(const TrainOptions& options, const CommandLine& line, const Communicator& ranks);

}  // namespace bv
