#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "core/task.hpp"
#include "optim/epoch.hpp"

namespace bv {

/// The content of checkpoint.json about the model folder that it lies in.
struct CheckpointInfo {
    EpochFraction epoch;
    std::int64_t step = 0;  ///< training steps done
    std::int64_t steps_per_epoch = 0;
    std::uint64_t seed = 0;
    Task task = Task::span;
    std::string data_fingerprint;   ///< fingerprint of the features it was trained on
    std::string model_fingerprint;  ///< fingerprint of model.safetensors; write_checkpoint sets it
    std::string started_from;       ///< fingerprint of the model with which training began
    std::string config;             ///< the resolved configuration, TOML
    std::string precision;          ///< precision of the matrix products
    nlohmann::json made = {};       ///< program, commit, host, job and time; written and not read
};

/// Local: writes a checkpoint so that it exists only when it is whole. `write_model(path)` writes a Hugging
/// Face model into the folder `path` and returns the fingerprint of its model.safetensors. That folder is
/// FOLDER.partial; it is flushed to disk and renamed to `folder`. checkpoint.json, the marker, is written
/// last and holds a fingerprint of every other file and of itself. Whatever was at `folder` is replaced. If
/// `write_model` throws, the partial folder is removed. Returns `info` with the model's fingerprint. Throws
/// Error, which names the path, for example when the disk is full.
CheckpointInfo write_checkpoint(const std::filesystem::path& folder, CheckpointInfo info,
                                const std::function<std::string(const std::filesystem::path&)>& write_model);

/// Local: removes the checkpoint at `folder`, if there is one, its marker first. Throws Error naming the
/// path.
void remove_checkpoint(const std::filesystem::path& folder);

/// Local: reads the checkpoint.json of `folder`. No value when there is none, as in a model folder that
/// another program made. Throws Error: it names file and key when checkpoint.json is malformed, the file
/// when it or another file is not as it was written (weights are not checked here), and the folder when
/// that does not exist.
std::optional<CheckpointInfo> read_checkpoint(const std::filesystem::path& folder);

/// Local: throws Error, which names `folder`, when the fingerprint of the weights in its checkpoint.json is
/// not `found`, the fingerprint that the weights have.
void require_weights(const std::filesystem::path& folder, const std::string& found);

/// Local: whether `folder` holds a finished checkpoint: its weights, and every file that its checkpoint.json
/// lists. If checkpoint.json is malformed, this logs a warning, and the checkpoint is not whole. Throws
/// Error, which names checkpoint.json, if it cannot be read.
bool is_whole(const std::filesystem::path& folder);

}  // namespace bv
