#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace bv {

struct FinetuneOptions;

/// What decides the weights of a run of fine-tuning, as a JSON object: its settings, the fingerprints of data
/// and model, where the schedule needs it, the number of steps, and the precision where --precision names it.
/// Evaluation leaves the weights alone; where --patience ends a run is no part of it, so that more patience
/// may go on.
nlohmann::json recipe_of(const FinetuneOptions& options, const std::string& data_fingerprint,
                         const std::string& started_from, std::int64_t total_steps);

/// Says why the folder `run` does not belong to the recipe `here`; empty where it does. The file at `path`
/// holds the recipe of `run`; it may be damaged. "RUN belongs to another run: learning_rate 0.0001 there,
/// 5e-05 here", for example.
std::string objection_to(const std::filesystem::path& run, const std::filesystem::path& path,
                         const nlohmann::json& here);

/// The precision that the recipe in the file at `path` records; empty where it records none. Throws
/// Error naming the file.
std::string recorded_precision(const std::filesystem::path& path);

}  // namespace bv
