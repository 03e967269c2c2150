#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

namespace bv {

/// Local: the name of a model: "checkpoint <fingerprint>" or "head <fingerprint>", with its
/// fingerprint. All evaluations of one model have the same name.
std::string checkpoint_name(const std::string& fingerprint);
std::string head_name(const std::string& fingerprint);

/// Local: the name of the model that was scored in the metrics.json at `file`. Empty if that is
/// unknown: for an ensemble, for logits without a metrics.json beside them, and for a head that an older
/// program evaluated. Throws Error, which names the file, when a file cannot be read.
std::string scored_model(const std::filesystem::path& file, const nlohmann::json& metrics);

/// Local: the name of the model whose logits this file holds, by the metrics.json beside it. Empty if that is
/// unknown. Throws Error, which names the file, when that file cannot be read.
std::string model_of_logits(const std::filesystem::path& logits);

}  // namespace bv
