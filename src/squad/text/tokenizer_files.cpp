#include "squad/text/tokenizer_files.hpp"

#include "io/paths.hpp"

namespace bv {
namespace {

JsonFile file_or_nothing(const std::filesystem::path& path) {
    return is_there(path) ? JsonFile(path) : JsonFile(nlohmann::json::object(), path.string());
}

}  // namespace

TokenizerFiles::TokenizerFiles(const std::filesystem::path& folder)
    : config_(file_or_nothing(folder / "tokenizer_config.json")),
      special_tokens_(file_or_nothing(folder / "special_tokens_map.json")),
      added_tokens_(file_or_nothing(folder / "added_tokens.json")),
      tokenizer_(file_or_nothing(folder / "tokenizer.json")),
      has_tokenizer_(is_there(tokenizer_.name())),
      model_(file_or_nothing(folder / "config.json")) {}

}  // namespace bv
