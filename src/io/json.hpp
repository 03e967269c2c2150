#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace bv {

/// Parses `text`. Throws Error if it is not JSON or not UTF-8, or holds a NUL byte, a number beyond double's
/// range or too many levels of brackets; the error names `name`, the line and the column. If `keep` is given,
/// it is called for each part that is read, and returns whether the result keeps that part.
nlohmann::json parse_json(std::string_view text, const std::string& name,
                          const nlohmann::json::parser_callback_t& keep = nullptr);

/// Whether `json` is a whole number that std::int64_t holds.
bool is_whole(const nlohmann::json& json);

/// The JSON value in the file at `path`. Throws Error, which names the path, and the line and column as
/// parse_json does.
nlohmann::json read_json(const std::filesystem::path& path);

}  // namespace bv
