#pragma once

#include <cstdint>
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

}  // namespace bv
