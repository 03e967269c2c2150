#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "heads/head.hpp"

namespace bv {

/// The data that a head was trained on, and the settings of its training.
struct HeadOrigin {
    std::string checkpoint;            ///< fingerprint of the BERT model that made its states
    std::string epoch;                 ///< how many epochs it was fine-tuned, as an exact fraction ("3/10")
    std::vector<std::int64_t> layers;  ///< numbers of the hidden states it reads; 0 = embedding output
    std::string features;              ///< fingerprint of the features it was trained on
    std::uint64_t seed = 0;            ///< seed of initial values and dropout
    std::uint64_t data_seed = 0;       ///< seed of the order of its features
    double held_out = 0;  ///< share (0 to 1) of the training questions, held out to choose its epoch
    std::string held_out_features;  ///< fingerprint of held-out features of a file of their own, or empty
    double share = 1;  ///< share (0 to 1) of the other training questions, on which it was trained
    bool shuffled_labels = false;  ///< a control: the labels that it was trained on are shuffled
    double learning_rate = 0;
    std::int64_t batch = 0;         ///< sequences of one step, on all ranks together
    std::int64_t epochs = 0;        ///< epochs for which the head was trained
    bool other_checkpoint = false;  ///< --allow-other-checkpoint: another one made the dev states
};

/// A trained head and where it comes from.
struct TrainedHead {
    Head head;
    HeadOrigin origin;
};

/// Writes head `k` into `folder`: first head.safetensors (parameters and buffers), then head.json
/// (everything that is needed to build the head again, its origin, and its learned layer weights). Throws
/// Error, which names the path.
void save_head(const std::filesystem::path& folder, const Head& head, std::int64_t k,
               const HeadOrigin& origin);

/// The fingerprint of the head's tensors in `folder`, which says which head it is. Throws Error, which names
/// the file, if there is none.
std::string head_fingerprint(const std::filesystem::path& folder);

/// Reads a head that `save_head` wrote, with K = 1, on the CPU. Throws Error, which names the file and the
/// key or tensor that is missing or wrong.
TrainedHead load_head(const std::filesystem::path& folder);

}  // namespace bv
