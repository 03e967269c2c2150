#pragma once

#include <filesystem>

#include "io/json_file.hpp"

namespace bv {

/// The files of a model folder that may define its tokenizer; they are copied together.
inline constexpr const char* kTokenizerFiles[] = {"vocab.txt", "tokenizer.json", "tokenizer_config.json",
                                                  "special_tokens_map.json", "added_tokens.json"};

/// The JSON files of a model folder that say something about its tokenizer. A file that does not exist counts
/// as an empty object.
class TokenizerFiles {
  public:
    /// Throws Error, which names the file, if one is no JSON object.
    explicit TokenizerFiles(const std::filesystem::path& folder);

    /// Whether special_tokens_map.json and added_tokens.json count: only if tokenizer_config.json itself has
    /// no list of added tokens.
    bool older_ones_count() const { return !config().has("added_tokens_decoder"); }

    /// Whether there is a tokenizer.json.
    bool has_tokenizer() const { return has_tokenizer_; }

    /// tokenizer_config.json
    JsonPlace config() const { return config_.place(); }
    /// special_tokens_map.json
    JsonPlace special_tokens() const { return special_tokens_.place(); }
    /// added_tokens.json
    JsonPlace added_tokens() const { return added_tokens_.place(); }
    /// tokenizer.json
    JsonPlace tokenizer() const { return tokenizer_.place(); }
    /// config.json
    JsonPlace model() const { return model_.place(); }

  private:
    JsonFile config_;
    JsonFile special_tokens_;
    JsonFile added_tokens_;
    JsonFile tokenizer_;
    bool has_tokenizer_;
    JsonFile model_;
};

}  // namespace bv
