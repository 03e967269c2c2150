#include "squad/text/tokenizer_definition.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "io/files.hpp"
#include "io/paths.hpp"
#include "squad/text/characters.hpp"
#include "squad/text/declared_tokens.hpp"
#include "squad/text/tokenizer_files.hpp"

namespace bv {
namespace {

namespace fs = std::filesystem;

/// Whether only tokenizer.json says how a text is cut.
bool is_generic(const TokenizerFiles& files) {
    auto place = files.config().find("tokenizer_class");
    if (!place) place = files.model().find("tokenizer_class");
    if (!place) return false;
    auto name = place->get<std::string>();
    const bool generic = name == "PreTrainedTokenizerFast" || name == "TokenizersBackend";
    if (generic && !files.has_tokenizer())
        fail("{} is {}, but there is no {}", place->name(), name, files.tokenizer().name());
    if (name.ends_with("Fast")) name.resize(name.size() - 4);
    if (!generic && name != "BertTokenizer" && name != "DistilBertTokenizer" && name != "ElectraTokenizer") {
        place->wrong(
            "BertTokenizer, DistilBertTokenizer, ElectraTokenizer, PreTrainedTokenizerFast or "
            "TokenizersBackend");
    }
    return generic;
}

Pieces read_vocabulary(const fs::path& path) {
    const std::string text = read_file(path);
    if (const auto wrong = first_wrong_byte(text)) {
        fail("{}: no UTF-8 at {}", path.string(), place_of(text, *wrong));
    }
    Pieces vocabulary;
    std::int32_t id = 0;
    for (std::size_t begin = 0; begin < text.size(); ++id) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        vocabulary[std::string(trimmed_at_end(std::string_view(text).substr(begin, end - begin)))] = id;
        begin = end + 1;
    }
    return vocabulary;
}

BasicTokenizer read_settings(const JsonPlace& config) {
    BasicTokenizer basic;
    basic.lower_case = config.get<bool>("do_lower_case", true);
    basic.strip_accents = config.get<bool>("strip_accents", basic.lower_case);
    basic.split_ideographs = config.get<bool>("tokenize_chinese_chars", true);
    return basic;
}

/// Throws Error if tokenizer.json contradicts tokenizer_config.json or the constants of BertTokenizer.
void require_agreement(const TokenizerFiles& files, const TokenizerJson& tokenizer,
                       const TokenizerDefinition& definition) {
    const auto require = [&](const char* key, bool found, const char* config_key, bool wanted) {
        if (found == wanted) return;
        fail("{}: normalizer.{} is {}, but {} of {} is {}{}; expected both to agree",
             files.tokenizer().name(), key, found, config_key, files.config().name(), wanted,
             files.config().has(config_key) ? "" : " by default");
    };
    const BasicTokenizer& basic = definition.basic;
    require("lowercase", tokenizer.basic.lower_case, "do_lower_case", basic.lower_case);
    require("strip_accents", tokenizer.basic.strip_accents, "strip_accents", basic.strip_accents);
    require("handle_chinese_chars", tokenizer.basic.split_ideographs, "tokenize_chinese_chars",
            basic.split_ideographs);
    if (tokenizer.longest_word != definition.longest_word) {
        files.tokenizer().at("model").at("max_input_chars_per_word").wrong("100, as BertTokenizer has it");
    }
}

void take_generic(const JsonPlace& file, const TokenizerJson& tokenizer, TokenizerDefinition& definition) {
    const auto [cls, sep] = read_ends(file);
    definition.basic = tokenizer.basic;
    definition.longest_word = tokenizer.longest_word;
    definition.unknown = tokenizer.unknown;
    definition.cls = cls.token.content;
    definition.sep = sep.token.content;
    definition.promised = tokenizer.added;
    definition.promised.insert(definition.promised.end(), {cls, sep});
    definition.added.emplace_back();
    for (const PromisedToken& promised : tokenizer.added) definition.added.back().push_back(promised.token);
}

}  // namespace

TokenizerDefinition read_tokenizer_definition(const fs::path& model) {
    if (!is_folder(model)) {
        fail("{} is no folder; expected a model folder with vocab.txt or tokenizer.json", model.string());
    }
    const TokenizerFiles files(model);
    const bool generic = is_generic(files);
    TokenizerDefinition definition;
    definition.basic = read_settings(files.config());
    definition.skip_special = files.config().get<bool>("split_special_tokens", false);
    std::vector<PromisedToken> of_tokenizer;
    if (files.has_tokenizer()) {
        const JsonPlace file = files.tokenizer();
        TokenizerJson tokenizer = read_tokenizer_json(file);
        if (generic) {
            take_generic(file, tokenizer, definition);
        } else {
            require_agreement(files, tokenizer, definition);
        }
        definition.source = model / "tokenizer.json";
        definition.vocabulary = std::move(tokenizer.vocabulary);
        of_tokenizer = std::move(tokenizer.added);
    } else {
        definition.source = model / "vocab.txt";
        if (!is_there(definition.source)) fail("{} has neither vocab.txt nor tokenizer.json", model.string());
        definition.vocabulary = read_vocabulary(definition.source);
    }
    DeclaredTokens declared = read_declared_tokens(files, definition.vocabulary, of_tokenizer, !generic);
    if (!generic) {
        definition.unknown = std::move(declared.unknown);
        definition.cls = std::move(declared.cls);
        definition.sep = std::move(declared.sep);
    }
    definition.added.push_back(std::move(declared.tokens));
    definition.promised.insert(definition.promised.end(), declared.promised.begin(), declared.promised.end());
    return definition;
}

}  // namespace bv
