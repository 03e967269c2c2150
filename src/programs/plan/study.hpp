#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/task.hpp"
#include "optim/epoch.hpp"

namespace bv {

/// What a study consists of, as far as its costs go.
struct Study {
    std::vector<Task> tasks{Task::span, Task::classification};
    std::vector<std::uint64_t> seeds{1};
    std::vector<EpochFraction> states_at;  ///< checkpoints whose states are stored and carry heads
    bool keep_stores = true;               ///< or delete each once its heads are trained
    std::vector<double> shares;  ///< of the training questions, on which heads are trained once more
    std::vector<std::string> layer_subsets;  ///< lists of layers, over which heads are trained once more

    std::vector<EpochFraction> checkpoints;  ///< of bv_finetune
    std::int64_t batch = 0;                  ///< of bv_finetune, over all ranks
    std::string dtype;                       ///< of stored states
    std::string layers;                      ///< hidden states kept: "all" or a list
    std::int64_t span_head_epochs = 1;
    std::int64_t classification_head_epochs = 10;

    std::int64_t head_epochs(Task task) const {
        return task == Task::span ? span_head_epochs : classification_head_epochs;
    }
};

/// Reads the tables [study], [finetune], [extract] and [train] of a study's TOML file, the latter as their
/// programs would. Throws Error naming the file, line and key.
Study read_study(const std::filesystem::path& path);

}  // namespace bv
