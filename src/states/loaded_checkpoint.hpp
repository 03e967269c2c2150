#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "bert/model.hpp"
#include "states/state_source.hpp"

namespace bv {

/// A BERT in memory, and its origin.
struct LoadedCheckpoint {
    Model model;
    std::string fingerprint;  ///< of the model (bert/pretrained.hpp)
    std::string epoch;        ///< how many epochs it was fine-tuned, as an exact fraction ("3/10")

    /// Local: loads the model in `folder`. Throws Error, which names the folder, if it cannot be read or was
    /// fine-tuned for another task.
    static LoadedCheckpoint load(const std::filesystem::path& folder, Task task, Use use);
};

/// Local: the states that `checkpoint` computes from `features`, on `device`. Before they are read, either
/// the caller moves the model there and freezes it, or calls multiply_in. So several sources can share one
/// model. `name` is for messages. Throws Error if the model has no state of one of the `layers`.
std::unique_ptr<StateSource> states_of(std::shared_ptr<LoadedCheckpoint> checkpoint, Features features,
                                       std::string name, at::Device device, const Layers& layers = {});

}  // namespace bv
