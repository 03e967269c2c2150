#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "squad/text/added_tokens.hpp"
#include "squad/text/basic_tokenizer.hpp"
#include "squad/text/pieces.hpp"

namespace bv {

/// A wordpiece and its range of characters in the original text, end exclusive.
struct Token {
    std::int32_t id;
    std::int32_t begin;
    std::int32_t end;
};

struct TokenizerDefinition;

/// BERT's tokenizer, equal to Hugging Face's BertTokenizerFast: added and special tokens are cut out first (a
/// text "[SEP]" is that token). The rest goes through the basic tokenizer and WordPiece (Wu et al. 2016),
/// which always takes the longest piece that fits.
class Tokenizer {
  public:
    /// Reads the tokenizer of a model folder: vocab.txt or tokenizer.json, and the files beside them
    /// (tokenizer_definition.hpp says which of them count). Throws Error, which names file and key, if a file
    /// is missing or not readable, if [CLS], [SEP] or [UNK] is missing, if an added token has another id than
    /// Hugging Face gives it, or if a setting is not implemented.
    explicit Tokenizer(const std::filesystem::path& model);

    /// The tokens of `text`, without [CLS] and [SEP] around it. Safe to call from several threads.
    std::vector<Token> tokenize(std::u32string_view text) const;

    std::int32_t cls() const { return cls_; }
    std::int32_t sep() const { return sep_; }
    const BasicTokenizer& basic() const { return basic_; }

    /// The fingerprint of vocab.txt. If that file does not exist: the fingerprint of the pieces in the
    /// order of their ids, one on a line.
    const std::string& vocabulary() const { return vocabulary_; }
    /// The file that the vocabulary was read from.
    const std::filesystem::path& source() const { return source_; }
    /// The fingerprint of everything that decides how a text is cut. Two folders with equal fingerprints make
    /// equal features, even if different files define the tokenizer.
    const std::string& fingerprint() const { return fingerprint_; }

  private:
    void add_tokens(const TokenizerDefinition& definition);
    void set_fingerprints(const TokenizerDefinition& definition, const std::filesystem::path& model);
    void append_words(std::u32string_view text, std::int32_t offset, std::vector<Token>& tokens) const;
    void append_pieces(const BasicTokenizer::Text& word, std::vector<Token>& tokens) const;

    BasicTokenizer basic_;
    AddedTokens added_;
    Pieces first_pieces_;             ///< pieces that begin a word
    Pieces later_pieces_;             ///< the others, without their "##"
    std::size_t longest_piece_ = 0;   ///< bytes
    std::size_t longest_word_ = 100;  ///< characters
    std::int32_t cls_ = 0;
    std::int32_t sep_ = 0;
    std::int32_t unknown_ = 0;
    std::filesystem::path source_;
    std::string vocabulary_;
    std::string fingerprint_;
};

}  // namespace bv
