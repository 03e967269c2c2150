#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "squad/text/json_place.hpp"

namespace bv {

/// The files of a model folder that may define its tokenizer; they are copied together.
inline constexpr const char* kTokenizerFiles[] = {"vocab.txt", "tokenizer.json", "tokenizer_config.json",
                                                  "special_tokens_map.json", "added_tokens.json"};

/// A JSON file of a model folder; an empty object if the file does not exist. Reading it throws Error, which
/// names the file.
struct JsonFile {
    explicit JsonFile(const std::filesystem::path& path);

    JsonPlace place() const { return {json, name}; }
    /// The value at `key`; no value if it is absent or null.
    std::optional<JsonPlace> find(const std::string& key) const;

    std::string name;
    bool there;
    nlohmann::json json;
};

/// The JSON files of a model folder that say something about its tokenizer.
struct TokenizerFiles {
    explicit TokenizerFiles(const std::filesystem::path& folder);

    /// Whether special_tokens_map.json and added_tokens.json count: only if tokenizer_config.json itself has
    /// no list of added tokens.
    bool older_ones_count() const { return !config.json.contains("added_tokens_decoder"); }

    JsonFile config;  ///< tokenizer_config.json
    JsonFile special_tokens;
    JsonFile added_tokens;
    JsonFile tokenizer;  ///< tokenizer.json
    JsonFile model;      ///< config.json
};

}  // namespace bv
