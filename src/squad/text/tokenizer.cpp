#include "squad/text/tokenizer.hpp"

#include <algorithm>
#include <optional>

#include "core/error.hpp"
#include "io/files.hpp"
#include "io/paths.hpp"
#include "squad/text/characters.hpp"
#include "squad/text/tokenizer_definition.hpp"

namespace bv {

Tokenizer::Tokenizer(const std::filesystem::path& model) {
    TokenizerDefinition definition = read_tokenizer_definition(model);
    basic_ = definition.basic;
    longest_word_ = definition.longest_word;
    source_ = definition.source;
    add_tokens(definition);
    set_fingerprints(definition, model);
    for (const auto& [piece, id] : definition.vocabulary) {
        longest_piece_ = std::max(longest_piece_, piece.size());
        if (piece.starts_with("##")) {
            later_pieces_[piece.substr(2)] = id;
        } else {
            first_pieces_[piece] = id;
        }
    }
}

void Tokenizer::add_tokens(const TokenizerDefinition& definition) {
    const Pieces& vocabulary = definition.vocabulary;
    for (const auto& tokens : definition.added) added_.add(tokens, vocabulary);
    added_.finish(basic_, definition.skip_special, source_.string());
    const auto id_of = [&](const std::string& content) {
        if (const auto id = added_.id_of(content)) return id;
        const auto piece = vocabulary.find(content);
        return piece == vocabulary.end() ? std::nullopt : std::optional(piece->second);
    };
    for (const PromisedToken& promised : definition.promised) {
        const auto id = id_of(promised.token.content);
        if (id == promised.id) continue;
        fail(
            "{}: \"{}\" has id {}, but Hugging Face's tokenizers give it {}; expected the ids of added "
            "tokens to follow the {} pieces of {}",
            promised.place, promised.token.content, promised.id, id ? std::to_string(*id) : "none",
            vocabulary.size(), source_.string());
    }
    const auto require = [&](const std::string& content, const char* key, bool may_be_added) {
        if (content.empty())
            fail("{}: {} is null or empty, expected a token", source_.parent_path().string(), key);
        const bool there =
            std::any_of(definition.promised.begin(), definition.promised.end(),
                        [&](const auto& promised) { return promised.token.content == content; });
        if (!vocabulary.contains(content) && !(may_be_added && there)) {
            fail("{} has no {} among its {} tokens; expected a BERT vocabulary", source_.string(), content,
                 vocabulary.size());
        }
        return *id_of(content);
    };
    cls_ = require(definition.cls, "cls_token", true);
    sep_ = require(definition.sep, "sep_token", true);
    require(definition.unknown, "unk_token", false);
    unknown_ = vocabulary.find(definition.unknown)->second;
}

void Tokenizer::set_fingerprints(const TokenizerDefinition& definition, const std::filesystem::path& model) {
    std::vector<std::pair<std::int32_t, std::string_view>> pieces;
    pieces.reserve(definition.vocabulary.size());
    for (const auto& [piece, id] : definition.vocabulary) pieces.emplace_back(id, piece);
    std::sort(pieces.begin(), pieces.end());
    std::string lines;
    std::string all;
    for (const auto& [id, piece] : pieces) {
        lines += fmt::format("{}\n", piece);
        all += fmt::format("{} {}:{}\n", id, piece.size(), piece);
    }
    const std::filesystem::path text = model / "vocab.txt";
    vocabulary_ = bv::fingerprint(is_there(text) ? read_file(text) : lines);
    all += fmt::format("lower_case {:d} strip_accents {:d} split_ideographs {:d} longest_word {}\n",
                       basic_.lower_case, basic_.strip_accents, basic_.split_ideographs, longest_word_);
    all += fmt::format("cls {} sep {} unknown {}\n", cls_, sep_, unknown_);
    fingerprint_ = bv::fingerprint(all + added_.description());
}

std::vector<Token> Tokenizer::tokenize(std::u32string_view text) const {
    std::vector<Token> tokens;
    for (const AddedTokens::Part& part : added_.parts(text)) {
        const auto begin = static_cast<std::int32_t>(part.begin);
        if (part.id) {
            tokens.push_back({*part.id, begin, static_cast<std::int32_t>(part.end)});
        } else {
            append_words(text.substr(part.begin, part.end - part.begin), begin, tokens);
        }
    }
    return tokens;
}

void Tokenizer::append_words(std::u32string_view text, std::int32_t offset,
                             std::vector<Token>& tokens) const {
    const BasicTokenizer::Text normalized = basic_.normalized(text, offset);
    std::u32string characters;
    characters.reserve(normalized.size());
    for (const auto& character : normalized) characters.push_back(character.value);
    for (const AddedTokens::Part& part : added_.parts_of_normalized(characters)) {
        if (part.id) {
            tokens.push_back({*part.id, normalized[part.begin].begin, normalized[part.end - 1].end});
            continue;
        }
        const auto words =
            BasicTokenizer::words(std::span(normalized).subspan(part.begin, part.end - part.begin));
        for (const auto& word : words) append_pieces(word, tokens);
    }
}

void Tokenizer::append_pieces(const BasicTokenizer::Text& word, std::vector<Token>& tokens) const {
    const std::size_t before = tokens.size();
    const auto unknown = [&] {
        tokens.resize(before);
        tokens.push_back({unknown_, word.front().begin, word.back().end});
    };
    if (word.size() > longest_word_) return unknown();
    std::u32string characters;
    for (const auto& character : word) characters.push_back(character.value);
    const std::string bytes = utf8_of(characters);
    const std::vector<std::int32_t> offsets = byte_offsets(characters);
    for (std::size_t begin = 0; begin < word.size();) {
        const Pieces& pieces = begin == 0 ? first_pieces_ : later_pieces_;
        std::size_t end = word.size();
        auto found = pieces.end();
        for (; end > begin; --end) {
            const auto first = static_cast<std::size_t>(offsets[begin]);
            const auto size = static_cast<std::size_t>(offsets[end]) - first;
            if (size > longest_piece_) continue;
            found = pieces.find(std::string_view(bytes).substr(first, size));
            if (found != pieces.end()) break;
        }
        if (found == pieces.end()) return unknown();
        tokens.push_back({found->second, word[begin].begin, word[end - 1].end});
        begin = end;
    }
}

}  // namespace bv
