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

/// Local: throws Error, which names the first setting that differs, unless the features of both files were
/// made with the same settings. `found` and `wanted` are objects "settings" as above; `found_in` and
/// `wanted_in` say whose they are ("the features of dev.h5").
void require_same_settings(const nlohmann::ordered_json& found, const std::string& found_in,
                           const nlohmann::ordered_json& wanted, const std::string& wanted_in);

}  // namespace bv
