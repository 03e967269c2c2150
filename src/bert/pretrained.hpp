#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bert/config.hpp"
#include "bert/parameter.hpp"

namespace bv {

/// Fills `parameters` from a Hugging Face BERT folder and returns those the folder does not hold, of which
/// only names that start with one of `optional` may be. Understands what published folders differ in: one
/// safetensors file or shards with an index; with or without the prefix "bert."; LayerNorm as weight/bias or
/// gamma/beta; float32, float16 or bfloat16. Throws Error naming file and tensor: missing, of another shape,
/// unknown, or with a value that is not finite, unless the name starts with one of `unused`.
std::vector<Parameter> read_weights(const std::filesystem::path& folder,
                                    const std::vector<Parameter>& parameters,
                                    const std::vector<std::string>& optional,
                                    const std::vector<std::string>& unused = {});

/// Throws Error when the folder's weight files are too small for a model of this configuration. Called
/// before memory is allocated for the model.
void require_size(const std::filesystem::path& folder, const BertConfig& config);

/// Fingerprint of a folder's weights: that of model.safetensors, or of its shards' together. Throws Error as
/// above, and where the folder is a checkpoint of ours and holds other weights, or another configuration,
/// than its checkpoint.json says.
std::string weights_fingerprint(const std::filesystem::path& folder);

/// Writes model.safetensors in float32 under Hugging Face's names: "bert." before all but the `heads` names.
/// Returns the file's fingerprint.
std::string write_weights(const std::filesystem::path& folder, const std::vector<Parameter>& parameters,
                          const std::vector<std::string>& heads);

}  // namespace bv
