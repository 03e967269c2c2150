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
    std::filesystem::path held_out_store;
    std::filesystem::path held_out_features;
    std::vector<std::string> heads;
    std::filesystem::path output;
    std::string layers = "all";
    std::int64_t epochs = 0;  ///< 0 means the task's default
    std::int64_t batch = 0;   ///< sequences in a step, over all ranks; 0 means the task's default
    std::vector<double> learning_rates{1e-3};
    std::vector<std::uint64_t> seeds{1};
    std::uint64_t data_seed = 1;
    double cache_gib = 4.0;         ///< GiB; a store of at most this size is kept in memory
    double memory_gib = 0;          ///< GiB of a rank; 0 means half of the free memory
    double held_out = 0;            ///< share of the training questions, 0 to 1
    std::vector<double> shares{1};  ///< shares of the training questions, 0 to 1
    bool shuffle_labels = false;
    std::string eval_metric = "f1";
    std::int64_t patience = 0;  ///< epochs without a better score; 0 means no limit
    double resume_every = 10;   ///< minutes between saved states; 0 means no such states
    bool allow_other_checkpoint = false;
    ComputeOptions compute;
    bool force = false;

    /// Whether the held-out questions come from a store or features file of their own.
    bool holds_out_elsewhere() const { return !held_out_store.empty() || !held_out_features.empty(); }

    /// Whether heads are scored on held-out questions too.
    bool holds_out() const { return held_out > 0 || holds_out_elsewhere(); }

    /// Declares all flags on `line`; `line.parse` then sets this object.
    void declare(CommandLine& line);

  private:
    void declare_heads_and_data(CommandLine& line);
    void declare_training(CommandLine& line);
};

/// The number of passes over the training states if the user gives none: that of the reference.
std::int64_t default_head_epochs(Task task);

/// Collective: trains heads data-parallel over all ranks, and scores them on the dev states after each epoch.
/// Each head is trained at every learning rate with every seed. Each batch of states is read once for all
/// heads. The heads of each share of the data are trained in a separate pass.
///
/// The results of a head go to OUTPUT/<head>/epoch-<fraction>/lr-<rate>-seed-<seed>/. The last name also has
/// -layers-<list> or -layer-<l> if the head reads only these layers, and -share-<s> if it is trained on a
/// share of the data, and at its end -shuffled-labels with --shuffle-labels. The files are metrics.jsonl (one
/// line for each epoch, with the mean loss of each tenth of it), head.safetensors, head.json,
/// logits.safetensors (of the dev features), config.toml and, written last, metrics.json. A head that has all
/// these files already is not trained again.
///
/// On the stop signal it writes a state into resume/ of each head's folder and throws Stopped on all ranks;
/// the same call goes on from there. `line` holds the parsed flags, whose resolved form is config.toml.
/// Throws AgreedError for a user's mistake or when a file cannot be written. Throws Error, which names the
/// store, only on the rank that reads a damaged block. Throws std::runtime_error when MPI or NCCL fails.
void train(const TrainOptions& options, const CommandLine& line, const Communicator& ranks);

}  // namespace bv
