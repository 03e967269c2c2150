#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "core/task.hpp"
#include "optim/epoch.hpp"

namespace bv {

/// What checkpoint.json says of the model folder it stands in.
struct CheckpointInfo {
    EpochFraction epoch;
    std::int64_t step = 0;  ///< training steps done
    std::int64_t steps_per_epoch = 0;
    std::uint64_t seed = 0;
    Task task = Task::span;
    std::string data_fingerprint;   ///< of the features it was trained on
    std::string model_fingerprint;  ///< of model.safetensors; write_checkpoint fills it in
    std::string started_from;       ///< fingerprint of the weights training began with
    std::string config;             ///< the resolved configuration, TOML
    std::string precision;          ///< of the matrix products; empty where an older file does not say
};

/// Local: writes a checkpoint that exists only once it is whole. `write_model(path)` fills the folder it is
/// given with a Hugging Face model, and returns the fingerprint of model.safetensors there:
/// FOLDER.partial is flushed to disk and renamed to `folder`; checkpoint.json, the marker, comes last and
/// holds a fingerprint of every other file and of itself. Replaces what stands at `folder`. If `write_model`
/// throws, the partial folder is removed. Returns `info` with the model's fingerprint. Throws Error naming
/// the path (a full disk, say).
CheckpointInfo write_checkpoint(const std::filesystem::path& folder, CheckpointInfo info,
                                const std::function<std::string(const std::filesystem::path&)>& write_model);

/// Local: removes the checkpoint at `folder`, if there is one, its marker first. Throws Error naming the
/// path.
void remove_checkpoint(const std::filesystem::path& folder);

/// Local: what `folder` says of itself; nothing where it is a model folder of other making, without
/// checkpoint.json. Throws Error: naming file and key when checkpoint.json is malformed, the file when it or
/// another file is not as it was written (weights are not looked at), or the folder when there is none.
std::optional<CheckpointInfo> read_checkpoint(const std::filesystem::path& folder);

/// Local: throws Error naming `folder` when its checkpoint.json has weights of another fingerprint than
/// `found`, that of the weights there.
void require_weights(const std::filesystem::path& folder, const std::string& found);

/// Local: whether `folder` holds a finished checkpoint, its weights included.
bool is_whole(const std::filesystem::path& folder);

}  // namespace bv
