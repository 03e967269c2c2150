#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "squad/basic_tokenizer.hpp"

namespace bv {

/// A wordpiece and the range of characters of the original text it came from (end exclusive).
struct Token {
    std::int32_t id;
    std::int32_t begin;
    std::int32_t end;
};

/// BERT's tokenizer, equal to Hugging Face's BertTokenizerFast: basic tokenizer, then WordPiece (Wu et al.
/// 2016), greedily the longest piece first. Special tokens written out in a text ("[SEP]") are those tokens,
/// as there.
class Tokenizer {
  public:
    /// Reads vocab.txt and, where there is one, tokenizer_config.json (do_lower_case, strip_accents,
    /// tokenize_chinese_chars) of a model folder. Throws Error naming the file: missing, not readable, or
    /// without [CLS], [SEP] or [UNK].
    explicit Tokenizer(const std::filesystem::path& model);

    /// The tokens of `text`, without [CLS] and [SEP] around it. Safe to call from several threads.
    std::vector<Token> tokenize(std::u32string_view text) const;

    std::int32_t cls() const { return cls_; }
    std::int32_t sep() const { return sep_; }
    /// Fingerprint of vocab.txt.
    const std::string& vocabulary() const { return vocabulary_; }
    const BasicTokenizer& basic() const { return basic_; }

  private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    using Pieces = std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>>;

    void read_vocabulary(const std::filesystem::path& path);
    void append_pieces(const BasicTokenizer::Word& word, std::vector<Token>& tokens) const;

    BasicTokenizer basic_;
    Pieces first_pieces_;  ///< pieces that begin a word
    Pieces later_pieces_;  ///< the others, without their "##"
    std::vector<std::pair<std::u32string, std::int32_t>> special_tokens_;
    std::size_t longest_piece_ = 0;  ///< bytes
    std::int32_t cls_ = 0;
    std::int32_t sep_ = 0;
    std::int32_t unknown_ = 0;
    std::int64_t vocabulary_size_ = 0;
    std::string vocabulary_;
};

}  // namespace bv
