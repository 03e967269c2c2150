#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace bv {

struct FinetuneOptions;

/// Returns everything that decides the weights of a fine-tuning run, as a JSON object: the settings, the
/// fingerprint of the features, the fingerprint of the model from which training started, the number of
/// steps if the learning rate depends on it, and the precision if --precision names one. The flags of
/// evaluation are left out because evaluation does not change the weights. So is --patience: a run that it
/// ended can go on with more patience.
nlohmann::json recipe_of(const FinetuneOptions& options, const std::string& data_fingerprint,
                         const std::string& started_from, std::int64_t total_steps);

}  // namespace bv
