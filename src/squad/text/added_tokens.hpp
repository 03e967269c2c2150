#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "squad/text/basic_tokenizer.hpp"
#include "squad/text/pieces.hpp"

namespace bv {

/// A token that is cut out of a text before WordPiece, with the flags that Hugging Face gives it.
struct AddedToken {
    std::string content;
    bool single_word = false;  ///< is not found inside a word
    bool lstrip = false;       ///< includes the white space before it
    bool rstrip = false;       ///< includes the white space after it
    bool special = false;
    std::optional<bool> normalized{};  ///< if absent: true unless the token is special

    /// Whether its normalized form is searched for in normalized text. Otherwise the token itself is searched
    /// for in the original text.
    bool in_normalized_text() const { return normalized.value_or(!special); }
};

/// Whether one of `tokens` has this content.
bool holds(const std::vector<AddedToken>& tokens, const std::string& content);

/// The added tokens of a tokenizer, as `AddedVocabulary` of Hugging Face `tokenizers` has them: their ids,
/// and their places in a text. The leftmost token is taken first, of several at one place the longest.
class AddedTokens {
  public:
    /// A part of a text: an added token, or (without an id) text between them.
    struct Part {
        std::optional<std::int32_t> id;
        std::size_t begin = 0;
        std::size_t end = 0;
    };

    /// Adds `tokens` as one call of `add_tokens` does. A token of the vocabulary keeps its id, a new token
    /// gets the next id; a token that was added before gets the new flags.
    void add(const std::vector<AddedToken>& tokens, const Pieces& vocabulary);

    /// Call it when all tokens are added and before any text is cut. With `skip_special`, special tokens
    /// that are written out in a text are plain text. Throws Error, which names `place`, when a token is
    /// empty after `basic` has normalized it.
    void finish(const BasicTokenizer& basic, bool skip_special, const std::string& place);

    /// The id of the added token `content`; no value if there is no such token.
    std::optional<std::int32_t> id_of(const std::string& content) const;

    /// The parts of an original text, cut at tokens that are searched for there.
    std::vector<Part> parts(std::u32string_view text) const { return plain_.parts(text); }
    /// The parts of a normalized text.
    std::vector<Part> parts_of_normalized(std::u32string_view text) const { return normalized_.parts(text); }

    /// A text that describes everything that decides how tokens are cut out. If two texts are equal, both
    /// cut in the same way.
    std::string description() const;

  private:
    struct Pattern {
        std::u32string text;
        std::int32_t id;
        AddedToken token;
    };
    struct Patterns {
        void add(Pattern pattern);
        std::vector<Part> parts(std::u32string_view text) const;

        std::vector<Pattern> all;  ///< the longest first
        std::u32string first;      ///< their first characters
        bool skip_special = false;
    };

    std::map<std::string, std::int32_t> ids_;
    std::map<std::int32_t, AddedToken> tokens_;  ///< by id
    std::vector<AddedToken> special_;            ///< as they were when first declared special
    std::vector<AddedToken> others_;
    Patterns plain_;
    Patterns normalized_;
};

}  // namespace bv
