#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "heads/head.hpp"

namespace bv {

/// What a head was trained on, and how.
struct HeadOrigin {
    std::string checkpoint;            ///< fingerprint of the weights that made its states
    std::string epoch;                 ///< how long they were fine-tuned, as an exact fraction ("3/10")
    std::vector<std::int64_t> layers;  ///< hidden states it reads; 0 = embedding output
    std::string features;              ///< fingerprint of the features it was trained on
    std::uint64_t seed = 0;            ///< of initial values and dropout
    std::uint64_t data_seed = 0;       ///< of the order of its features
    double held_out = 0;               ///< share of the questions that it was judged by instead of trained on
    double share = 1;                  ///< of the other questions, those it was trained on
    double learning_rate = 0;
    std::int64_t batch = 0;         ///< sequences of all ranks together
    std::int64_t epochs = 0;        ///< epochs the head was trained
    bool other_checkpoint = false;  ///< its dev states were made by another checkpoint, as was allowed
};

/// A trained head and where it comes from.
struct TrainedHead {
    Head head;
    HeadOrigin origin;
};

/// Writes head.safetensors (parameters and buffers) and, after it, head.json (everything to build the head
/// again, its origin and learned layer weights) of head `k` into `folder`. Throws Error naming the path.
void save_head(const std::filesystem::path& folder, const Head& head, std::int64_t k,
               const HeadOrigin& origin);

/// Reads what `save_head` wrote, a head by itself, on the CPU. Throws Error naming the file and the key or
/// tensor that is missing or wrong.
TrainedHead load_head(const std::filesystem::path& folder);

}  // namespace bv
