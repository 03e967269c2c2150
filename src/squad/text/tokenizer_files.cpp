#include "squad/text/tokenizer_files.hpp"

#include "core/error.hpp"
#include "io/json.hpp"
#include "io/paths.hpp"

namespace bv {

JsonFile::JsonFile(const std::filesystem::path& path)
    : name(path.string()), there(is_there(path)), json(there ? read_json(path) : nlohmann::json::object()) {
    if (!json.is_object()) fail("{}: expected a JSON object", name);
}

std::optional<JsonPlace> JsonFile::find(const std::string& key) const {
    if (!json.contains(key) || json[key].is_null()) return std::nullopt;
    return place().at(key);
}

TokenizerFiles::TokenizerFiles(const std::filesystem::path& folder)
    : config(folder / "tokenizer_config.json"),
      special_tokens(folder / "special_tokens_map.json"),
      added_tokens(folder / "added_tokens.json"),
      tokenizer(folder / "tokenizer.json"),
      model(folder / "config.json") {}

}  // namespace bv
