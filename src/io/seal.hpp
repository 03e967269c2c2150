#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace bv {

/// Key of a JSON object that holds the fingerprint of all its other keys and values, whatever their order and
/// layout in the file.
inline constexpr const char* kSeal = "seal";

/// The value that `object` must have under kSeal.
std::string seal_of(nlohmann::json object);

/// Throws Error naming `file` when `object` has a seal that is not that of its other keys. Objects of older
/// programs have none.
void require_seal(const nlohmann::json& object, const std::string& file);

}  // namespace bv
