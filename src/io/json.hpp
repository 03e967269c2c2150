#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace bv {

/// The JSON value that `text` is. Throws Error naming `name` and the line and column where `text` stops being
/// JSON, holds a number beyond double's range or has too many levels of brackets. `keep`, where there is one,
/// is asked of each part that is read whether the value shall hold it.
nlohmann::json parse_json(std::string_view text, const std::string& name,
                          const nlohmann::json::parser_callback_t& keep = nullptr);

/// The JSON value in the file at `path`. Throws Error naming the path, and the place as parse_json does.
nlohmann::json read_json(const std::filesystem::path& path);

}  // namespace bv
