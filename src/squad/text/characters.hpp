#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bv {

/// Code points of `utf8`, which must be valid UTF-8 (JSON's strings are).
std::u32string characters_of(std::string_view utf8);

/// The offset in bytes of the first sequence that is not valid UTF-8; no value if all are valid.
std::optional<std::size_t> first_wrong_byte(std::string_view utf8);

/// `utf8`, which must be valid UTF-8, without Unicode's white space at its end.
std::string_view trimmed_at_end(std::string_view utf8);

/// `characters` in UTF-8.
std::string utf8_of(std::u32string_view characters);

/// (characters + 1) The byte offset in UTF-8 of each character, and at the end the size in bytes.
std::vector<std::int32_t> byte_offsets(std::u32string_view characters);

/// How Hugging Face `tokenizers` classifies characters. It reads categories from tables of Unicode 8 and
/// decompositions from tables of Unicode 9, whatever the system's ICU knows. Characters that are younger than
/// these tables count as ordinary characters here too. The few characters whose category was corrected later
/// have the old category.
namespace as_bert {

/// Whether cleaning drops the character: NUL, U+FFFD, control, format and private-use characters, but not tab
/// and line ends.
bool is_dropped(char32_t c);

/// Whether the character separates words.
bool is_space(char32_t c);

/// Whether the character is part of a word, for added tokens that must be whole words: letters, marks,
/// digits, connecting punctuation.
bool is_of_word(char32_t c);

/// Whether the character is punctuation, which is a word of its own: Unicode's punctuation, and every ASCII
/// character that is no letter, digit, space or control.
bool is_punctuation(char32_t c);

/// Whether the character is a CJK ideograph in the blocks that BERT lists. It is a word of its own.
bool is_ideograph(char32_t c);

/// Whether the character is a non-spacing mark, which is dropped with the accents.
bool is_accent(char32_t c);

/// The canonical combining class.
int combining_class(char32_t c);

/// Appends the full canonical decomposition of `c`. For most characters that is `c` itself.
void append_decomposition(char32_t c, std::u32string& target);

/// Appends `c` in lower case, whatever stands around it: a final sigma is lower-cased as any other. Letters
/// that the installed ICU does not know stay as they are.
void append_lower(char32_t c, std::u32string& target);

}  // namespace as_bert
}  // namespace bv
