#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "squad/features/features.hpp"

namespace bv {

/// Local: `features` of metrics.json: "path" of the features file, or of the store that holds a copy,
/// "fingerprint", and "settings", with which the features were made.
nlohmann::ordered_json describe_features(const std::filesystem::path& path, const std::string& fingerprint,
                                         const FeatureSettings& settings);

}  // namespace bv
