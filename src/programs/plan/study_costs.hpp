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
};

/// What the ranks of a study do together in a second.
struct StudyRates {
    double tuned_tokens = 0;    ///< tokens of fine-tuning
    double encoded_tokens = 0;  ///< tokens through the encoder, forward alone
    double written_bytes = 0;   ///< to the disk
    double read_bytes = 0;      ///< from the disk
    double cached_bytes = 0;    ///< a store of at most so many bytes is read once, not each pass
};

/// What one task of a study takes. Sizes in bytes, times in seconds of all ranks together.
struct TaskCosts {
    Task task = Task::span;
    std::int64_t checkpoint = 0;   ///< one checkpoint
    std::int64_t resume = 0;       ///< of a run under way: two states, weights and both moments
    std::int64_t train_store = 0;  ///< states of the training features at one checkpoint
    std::int64_t dev_store = 0;
    std::int64_t checkpoints = 0;  ///< how many, over all seeds
    std::int64_t stores = 0;       ///< pairs of stores, over all seeds

    double tuning = 0;      ///< fine-tuning with one seed
    double evaluation = 0;  ///< of one checkpoint on the dev features
    double extraction = 0;  ///< of one pair of stores: encoder or disk, whichever is slower
    bool disk_bound = false;
    double heads_stored = 0;      ///< reading one pair of stores for all passes of all heads trained together
    double heads_recomputed = 0;  ///< computing the states again for each pass instead
};

/// Elements of all parameters of BERT with the reference's head.
std::int64_t parameter_count(const BertConfig& config);

/// The costs of each task of `study`; times are 0 where their rates are.
std::vector<TaskCosts> study_costs(const Study& study, const BertConfig& config, const StudyData& data,
                                   const StudyRates& rates);

/// Bytes on disk when a study is done, and at most while it runs.
struct StudySpace {
    std::int64_t kept = 0;
    std::int64_t most = 0;
};
StudySpace study_space(const Study& study, const std::vector<TaskCosts>& costs);

}  // namespace bv
