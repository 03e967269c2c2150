#include "squad/tokenizer.hpp"

#include <algorithm>
#include <optional>

#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/files.hpp"
#include "squad/characters.hpp"

namespace bv {
namespace {

/// Longer words are [UNK] as a whole (characters).
constexpr std::size_t kLongestWord = 100;

std::optional<bool> setting(const nlohmann::json& config, const std::filesystem::path& path,
                            const char* key) {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null()) return std::nullopt;
    if (!found->is_boolean()) {
        fail("{}: {} is {}, expected true, false or null", path.string(), key, found->dump());
    }
    return found->get<bool>();
}

BasicTokenizer read_settings(const std::filesystem::path& path) {
    BasicTokenizer basic;
    if (!std::filesystem::exists(path)) return basic;
    const std::string text = read_file(path);
    nlohmann::json config;
    try {
        config = nlohmann::json::parse(text);
    } catch (const nlohmann::json::parse_error& wrong) {
        fail("{} is no valid JSON at {}", path.string(), place_of(text, wrong.byte > 0 ? wrong.byte - 1 : 0));
    }
    if (!config.is_object()) fail("{}: expected a JSON object", path.string());
    basic.lower_case = setting(config, path, "do_lower_case").value_or(true);
    basic.strip_accents = setting(config, path, "strip_accents").value_or(basic.lower_case);
    basic.split_ideographs = setting(config, path, "tokenize_chinese_chars").value_or(true);
    return basic;
}

}  // namespace

Tokenizer::Tokenizer(const std::filesystem::path& model) {
    if (!std::filesystem::is_directory(model)) {
        fail("{} is no folder; expected a model folder with vocab.txt", model.string());
    }
    basic_ = read_settings(model / "tokenizer_config.json");
    read_vocabulary(model / "vocab.txt");
}

void Tokenizer::read_vocabulary(const std::filesystem::path& path) {
    const std::string text = read_file(path);
    vocabulary_ = fingerprint(text);
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        std::string_view piece(text.data() + begin, end - begin);
        if (piece.ends_with('\r')) piece.remove_suffix(1);
        longest_piece_ = std::max(longest_piece_, piece.size());
        const auto id = static_cast<std::int32_t>(vocabulary_size_++);
        if (piece.starts_with("##")) {
            later_pieces_[std::string(piece.substr(2))] = id;
        } else {
            first_pieces_[std::string(piece)] = id;
        }
        begin = end + 1;
    }
    const auto id_of = [&](const char* name) {
        const auto found = first_pieces_.find(std::string_view(name));
        if (found == first_pieces_.end()) {
            fail("{} has no {} among its {} tokens; expected a BERT vocabulary", path.string(), name,
                 vocabulary_size_);
        }
        return found->second;
    };
    cls_ = id_of("[CLS]");
    sep_ = id_of("[SEP]");
    unknown_ = id_of("[UNK]");
    for (const char* name : {"[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]"}) {
        const auto found = first_pieces_.find(std::string_view(name));
        if (found != first_pieces_.end()) special_tokens_.emplace_back(characters_of(name), found->second);
    }
}

std::vector<Token> Tokenizer::tokenize(std::u32string_view text) const {
    std::vector<Token> tokens;
    const auto append_words = [&](std::size_t begin, std::size_t end) {
        for (const auto& word :
             basic_.words(text.substr(begin, end - begin), static_cast<std::int32_t>(begin))) {
            append_pieces(word, tokens);
        }
    };
    std::size_t done = 0;
    for (std::size_t i = text.find(U'['); i < text.size(); i = text.find(U'[', i)) {
        const auto special =
            std::find_if(special_tokens_.begin(), special_tokens_.end(),
                         [&](const auto& token) { return text.substr(i).starts_with(token.first); });
        if (special == special_tokens_.end()) {
            ++i;
            continue;
        }
        append_words(done, i);
        done = i + special->first.size();
        tokens.push_back({special->second, static_cast<std::int32_t>(i), static_cast<std::int32_t>(done)});
        i = done;
    }
    append_words(done, text.size());
    return tokens;
}

void Tokenizer::append_pieces(const BasicTokenizer::Word& word, std::vector<Token>& tokens) const {
    const std::size_t before = tokens.size();
    const auto unknown = [&] {
        tokens.resize(before);
        tokens.push_back({unknown_, word.front().begin, word.back().end});
    };
    if (word.size() > kLongestWord) return unknown();
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
