#include "squad/text/basic_tokenizer.hpp"

#include <algorithm>

#include "squad/text/characters.hpp"

namespace bv {
namespace {

using Character = BasicTokenizer::Character;
using Text = BasicTokenizer::Text;

/// `text` without control characters, with blanks for white space, and with blanks around ideographs.
Text cleaned(std::u32string_view text, std::int32_t offset, bool split_ideographs) {
    Text result;
    result.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char32_t c = text[i];
        if (as_bert::is_dropped(c)) continue;
        const auto begin = offset + static_cast<std::int32_t>(i);
        const Character blank{U' ', begin, begin + 1};
        if (as_bert::is_space(c)) {
            result.push_back(blank);
        } else if (split_ideographs && as_bert::is_ideograph(c)) {
            result.insert(result.end(), {blank, {c, begin, begin + 1}, blank});
        } else {
            result.push_back({c, begin, begin + 1});
        }
    }
    return result;
}

/// Decomposes characters canonically, reorders the marks, and drops the accents. Ranges follow Hugging Face
/// `tokenizers`: the first part of a decomposed character gets the range of the next character that is not
/// used yet, the other parts get the range of the last one used. These differ from the character's own range
/// only if marks changed places; the offsets of `tokenizers` differ then too.
Text without_accents(const Text& text) {
    struct Part {
        char32_t value;
        bool first;
        int combining_class;
    };
    std::vector<Part> parts;
    parts.reserve(text.size());
    std::u32string decomposed;
    for (const Character& character : text) {
        decomposed.clear();
        as_bert::append_decomposition(character.value, decomposed);
        for (std::size_t i = 0; i < decomposed.size(); ++i) {
            parts.push_back({decomposed[i], i == 0, as_bert::combining_class(decomposed[i])});
        }
    }
    const auto is_starter = [](const Part& part) { return part.combining_class == 0; };
    for (auto marks = parts.begin(); marks != parts.end();) {
        marks = std::find_if_not(marks, parts.end(), is_starter);
        const auto end = std::find_if(marks, parts.end(), is_starter);
        std::stable_sort(marks, end,
                         [](const Part& a, const Part& b) { return a.combining_class < b.combining_class; });
        marks = end;
    }
    Text result;
    result.reserve(text.size());
    std::size_t next = 0;
    for (const Part& part : parts) {
        if (part.first) ++next;
        const Character& source = text[next - 1];
        if (!as_bert::is_accent(part.value)) result.push_back({part.value, source.begin, source.end});
    }
    return result;
}

Text lower_cased(const Text& text) {
    Text result;
    result.reserve(text.size());
    std::u32string lower;
    for (const Character& character : text) {
        lower.clear();
        as_bert::append_lower(character.value, lower);
        for (const char32_t c : lower) result.push_back({c, character.begin, character.end});
    }
    return result;
}

}  // namespace

Text BasicTokenizer::normalized(std::u32string_view text, std::int32_t offset) const {
    Text characters = cleaned(text, offset, split_ideographs);
    if (strip_accents) characters = without_accents(characters);
    if (lower_case) characters = lower_cased(characters);
    return characters;
}

std::vector<Text> BasicTokenizer::words(std::span<const Character> text) {
    std::vector<Text> result;
    bool continues = false;
    for (const Character& character : text) {
        const bool alone = as_bert::is_punctuation(character.value);
        if (as_bert::is_space(character.value)) {
            continues = false;
            continue;
        }
        if (alone || !continues) result.emplace_back();
        result.back().push_back(character);
        continues = !alone;
    }
    return result;
}

}  // namespace bv
