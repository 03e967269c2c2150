#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bert/config.hpp"
#include "bert/parameter.hpp"

namespace bv {

/// Fills `parameters` from a Hugging Face BERT folder, and returns those that the folder does not hold. Only
/// a tensor whose name starts with one of `optional` may be missing. Reads all published varieties of
/// folders: one safetensors file, or shards with an index; names with or without the prefix "bert.";
/// LayerNorm as weight/bias or gamma/beta; float32, float16 or bfloat16. Throws Error, which names file and
/// tensor, if a tensor is missing, has another shape, is unknown, or has a value that is not finite. The last
/// is allowed if the name starts with one of `unused`.
std::vector<Parameter> read_weights(const std::filesystem::path& folder,
                                    const std::vector<Parameter>& parameters,
                                    const std::vector<std::string>& optional,
                                    const std::vector<std::string>& unused = {});

/// Throws Error, which names the folder, if its weight files are too small for a model of this configuration.
/// Call it before memory is allocated for the model.
void require_size(const std::filesystem::path& folder, const BertConfig& config);

/// The fingerprint of a folder's model. In a folder of bv_finetune it is that of model.safetensors, because
/// checkpoint.json has the fingerprints of the other files. In other folders it covers all shards of the
/// weights, and what config.json says about the model. Throws Error, which names the file, if a file is
/// missing or malformed, or if its content is not that which checkpoint.json names.
std::string model_fingerprint(const std::filesystem::path& folder);

/// Writes model.safetensors in float32 under Hugging Face's names. Names get the prefix "bert.", except those
/// that start with one of `heads`. Returns the file's fingerprint. Throws Error, which names the file.
std::string write_weights(const std::filesystem::path& folder, const std::vector<Parameter>& parameters,
                          const std::vector<std::string>& heads);

}  // namespace bv
