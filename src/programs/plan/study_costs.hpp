#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bert/config.hpp"
#include "programs/plan/study.hpp"

namespace bv {

/// The data of a study: features and their tokens.
struct StudyData {
    std::int64_t train_features = 0;
    std::int64_t train_tokens = 0;
    std::int64_t dev_features = 0;
    std::int64_t dev_tokens = 0;
    std::int64_t held_features = 0;  ///< of the held-out questions; they are no training features
    std::int64_t held_tokens = 0;
};

/// How much all ranks of a study together do in a second; 0 means unknown.
struct StudyRates {
    double tuned_tokens = 0;    ///< tokens per second in fine-tuning
    double encoded_tokens = 0;  ///< tokens per second through the encoder, forward pass only
    double written_bytes = 0;   ///< bytes per second to the disk
    double read_bytes = 0;      ///< bytes per second from the disk
    double cached_bytes = 0;    ///< in bytes: a store of at most this size is read once, not in each pass
};

/// The costs of one task of a study. Sizes are in bytes. Times are in seconds during which all ranks work.
struct TaskCosts {
    Task task = Task::span;
    std::int64_t checkpoint = 0;        ///< size of one checkpoint
    std::int64_t resume = 0;            ///< two resume states, each with weights and both moments
    std::int64_t train_store = 0;       ///< states of the training features at one checkpoint
    std::int64_t dev_store = 0;         ///< states of the dev features at one checkpoint
    std::int64_t held_store = 0;        ///< states of the held-out features at one checkpoint
    std::int64_t evaluation_files = 0;  ///< results of the evaluation of one checkpoint
    std::int64_t heads = 0;             ///< number of heads that are trained on the states of one checkpoint
    std::int64_t head_files = 0;        ///< all their weights and results
    std::int64_t checkpoints = 0;       ///< number of checkpoints, over all seeds
    std::int64_t stores = 0;            ///< number of checkpoints with stores, over all seeds

    /// The bytes of all stores of one checkpoint.
    std::int64_t all_stores() const { return train_store + dev_store + held_store; }

    double tuning = 0;      ///< fine-tuning with one seed
    double evaluation = 0;  ///< evaluation of one checkpoint, on held-out questions too
    double extraction =
        0;  ///< the stores of one checkpoint: the larger one of the encoder's and the disk's time
    bool disk_bound = false;      ///< whether the disk is the slower one
    double heads_stored = 0;      ///< reading these stores for all passes of all heads trained together
    double heads_recomputed = 0;  ///< computing the states again for each pass instead
};

/// The reference's model, bert-large-uncased.
BertConfig bert_large();

/// The number of values in all parameters of BERT with the reference's head.
std::int64_t parameter_count(const BertConfig& config);

/// The costs of each task of `study`. A time is 0 when its rate is unknown. Throws Error, which names the
/// head, if a head of the study does not fit the model.
std::vector<TaskCosts> study_costs(const Study& study, const BertConfig& config, const StudyData& data,
                                   const StudyRates& rates);

/// The space that a study takes on disk, in bytes.
struct StudySpace {
    std::int64_t kept = 0;  ///< space when the study is finished
    std::int64_t most = 0;  ///< largest space while it runs
};

/// The space of `study`, whose `costs` study_costs has returned. Jobs run one after another.
StudySpace study_space(const Study& study, const std::vector<TaskCosts>& costs);

}  // namespace bv
