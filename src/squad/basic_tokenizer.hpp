#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bv {

/// How BERT's basic tokenizer treats text; a model's tokenizer_config.json says so.
struct BasicTokenizer {
    bool lower_case = true;
    bool strip_accents = true;
    bool split_ideographs = true;

    /// A character of cleaned text, and the range of original characters it came from (end exclusive).
    struct Character {
        char32_t value;
        std::int32_t begin;
        std::int32_t end;
    };
    using Word = std::vector<Character>;

    /// Cleaned text as words: control characters dropped, ideographs apart, canonically decomposed and
    /// accents dropped, lower-cased, cut at white space and around punctuation, as Hugging Face's
    /// BertNormalizer and BertPreTokenizer do. Words are never empty. `offset` is added to the ranges.
    std::vector<Word> words(std::u32string_view text, std::int32_t offset = 0) const;
};

}  // namespace bv
