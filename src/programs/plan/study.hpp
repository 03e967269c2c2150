#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/task.hpp"
#include "optim/epoch.hpp"

namespace bv {

/// Heads trained on the states of one checkpoint, scored on those of another.
struct MixedEpochs {
    EpochFraction trained;
    EpochFraction scored;
};

/// What a study consists of: its table [study], and what its costs follow from in the tables of programs.
struct Study {
    std::vector<Task> tasks{Task::span, Task::classification};
    std::vector<std::uint64_t> seeds{1};
    std::vector<EpochFraction> states_at;  ///< checkpoints whose states are stored and carry heads
    bool keep_stores = true;               ///< or delete each once its heads are trained
    std::vector<double> shares;  ///< of the training questions, on which heads are trained once more
    std::vector<std::string> layer_subsets;  ///< lists of layers, over which heads are trained once more
    std::vector<std::string> span_heads;     ///< built-in heads by name, or paths of TOML files
    std::vector<std::string> classification_heads;
    bool layer_atlas = false;  ///< a linear probe on each hidden state
    std::vector<MixedEpochs> mixed;
    std::vector<std::string> span_ensembles;  ///< "head+head", "head+BERT": scored as one model
    std::vector<std::string> classification_ensembles;
    double hold_out = 0;              ///< share of the training questions, scored while BERT is fine-tuned
    std::int64_t corpus_train = 600;  ///< questions of the embedded corpus, where no SQuAD is given
    std::int64_t corpus_dev = 150;
    std::int64_t corpus_seed = 1;

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

/// The table [study] with its defaults filled in, as assignments that a shell can evaluate, one a line:
/// study_hold_out='0.02', study_seeds=('1' '2'). What is false, none or 0 is empty; epochs are written as in
/// names of folders, so that no reader needs to know more of TOML or of epochs.
std::string shell_text(const Study& study);

}  // namespace bv
