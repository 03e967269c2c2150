#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace bv {

/// Local: returns the reason why the folder `run` does not belong to the recipe `here`, for example "RUN
/// belongs to another run: learning_rate 0.0001 there, 5e-05 here". Empty when it belongs to this recipe. The
/// file at `path` holds the recipe of `run`; it may be damaged.
std::string objection_to(const std::filesystem::path& run, const std::filesystem::path& path,
                         const nlohmann::json& here);

/// Local: returns the precision that the recipe in the file at `path` records. Throws Error, which names the
/// file, when it cannot be read or records none.
std::string recorded_precision(const std::filesystem::path& path);

}  // namespace bv
