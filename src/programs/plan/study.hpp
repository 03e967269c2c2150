#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bert/config.hpp"
#include "core/task.hpp"
#include "optim/epoch.hpp"
#include "states/layers.hpp"

namespace bv {

/// An experiment: heads are trained on the states of one checkpoint and scored on the states of another.
struct MixedEpochs {
    EpochFraction trained;
    EpochFraction scored;

    friend bool operator==(const MixedEpochs&, const MixedEpochs&) = default;
};

/// A study: its table [study], and the values in the tables of the programs that its costs depend on.
struct Study {
    std::vector<Task> tasks{Task::span, Task::classification};
    std::vector<std::uint64_t> seeds{1};
    std::vector<EpochFraction> states_at;  ///< checkpoints whose states are stored, to train heads on them
    bool keep_stores = true;               ///< false: each store is deleted after its heads are trained
    std::vector<double> shares;  ///< shares of the training questions on which heads are trained again
    std::vector<std::vector<std::int64_t>> layer_subsets;  ///< heads are trained again on these layers
    std::vector<std::string> span_heads;                   ///< built-in heads by name, or paths of TOML files
    std::vector<std::string> classification_heads;
    bool layer_atlas = false;      ///< whether a linear probe is trained on each hidden state
    bool shuffled_labels = false;  ///< whether all heads and probes are trained on shuffled labels too
    std::vector<MixedEpochs> mixed;
    std::vector<std::string> span_ensembles;  ///< "head+head" or "head+BERT", scored as one model
    std::vector<std::string> classification_ensembles;
    double hold_out = 0;              ///< share of the training questions for scoring checkpoints, 0 to 1
    std::int64_t corpus_train = 600;  ///< questions of the built-in corpus, used when no SQuAD is given
    std::int64_t corpus_dev = 150;    ///< the same, for the dev questions
    std::int64_t corpus_seed = 1;     ///< seed of that corpus

    std::vector<EpochFraction> checkpoints;  ///< checkpoints of bv_finetune
    std::int64_t batch = 0;                  ///< sequences in a step of bv_finetune, over all ranks
    std::string dtype;                       ///< element type of the stored states
    Layers layers;                           ///< hidden states that are stored
    std::vector<double> learning_rates;      ///< of bv_train: each head is trained once at each
    std::int64_t span_head_epochs = 1;
    std::int64_t classification_head_epochs = 10;

    /// The number of passes over the training states in which the heads of `task` are trained.
    std::int64_t head_epochs(Task task) const {
        return task == Task::span ? span_head_epochs : classification_head_epochs;
    }
};

/// Reads the tables [study], [finetune], [extract], [train] and [eval] of a study's TOML file. It reads the
/// last four as their programs do, and the heads as bv_train does. Throws Error, which names the file, the
/// line and the key.
Study read_study(const std::filesystem::path& path);

/// Throws Error if the study names a hidden state that a model of `config` does not have.
void require_states(const Study& study, const BertConfig& config);

/// Returns the table [study], with its defaults, as assignments that a shell can evaluate, one on each line:
/// study_hold_out='0.02', study_seeds=('1' '2'). A value that is false, missing or 0 is empty. Epochs are
/// written as in the names of folders. So a script needs to know nothing about TOML or epochs.
std::string shell_text(const Study& study);

}  // namespace bv
