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

/// "RUN belongs to another run: learning_rate 0.0001 there, 5e-05 here": why what stands in the folder `run`
/// is not of the recipe `here`, by the recipe in the file at `path`, which may be damaged; empty where it is.
std::string objection_to(const std::filesystem::path& run, const std::filesystem::path& path,
                         const nlohmann::json& here);

/// The precision that the recipe in the file at `path` records; empty where an older program wrote it.
std::string recorded_precision(const std::filesystem::path& path);

}  // namespace bv
