#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bv {

/// How BERT's basic tokenizer treats text; a model's tokenizer_config.json says so.
struct BasicTokenizer {
    bool lower_case = true;
    bool strip_accents = true;
    bool split_ideographs = true;

    /// A character of normalized text, and the range of original characters it came from (end exclusive).
    struct Character {
        char32_t value;
        std::int32_t begin;
        std::int32_t end;
    };
    using Text = std::vector<Character>;

    /// Normalized text, as Hugging Face's BertNormalizer makes it: control characters dropped, ideographs
    /// between blanks, canonically decomposed and accents dropped, lower-cased. `offset` is added to the
    /// ranges.
    Text normalized(std::u32string_view text, std::int32_t offset = 0) const;

    /// Normalized text cut at white space and around punctuation, as Hugging Face's BertPreTokenizer does.
    /// Words are never empty.
    static std::vector<Text> words(std::span<const Character> text);
};

}  // namespace bv
