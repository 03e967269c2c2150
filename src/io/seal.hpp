#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "io/json_file.hpp"

namespace bv {

/// The key under which a JSON object holds the fingerprint of all its other keys and values. Their order and
/// layout in the file do not matter.
inline constexpr const char* kSeal = "seal";

/// The value that `object` must have under kSeal.
std::string seal_of(nlohmann::json object);

/// Throws Error, which names the file, if it has a seal that does not fit its other keys. A file without a
/// seal is accepted: a user who changes the file on purpose deletes the seal.
void require_seal(const JsonFile& file);

}  // namespace bv
