#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "squad/features/features.hpp"

namespace bv {

/// Local: the object `features` of metrics.json. Its keys: "path" (the features file, or the store with a
/// copy of it), "fingerprint", and "settings", with which the features were made.
nlohmann::ordered_json describe_features(const std::filesystem::path& path, const std::string& fingerprint,
                                         const FeatureSettings& settings);

}  // namespace bv
