#pragma once

#include <string>
#include <string_view>

namespace bv {

/// An answer as the official SQuAD 2.0 scorer compares it: lower-cased, ASCII punctuation and the words "a",
/// "an" and "the" removed, words joined by one space. Follows Python's str.lower, \b and str.split over all
/// of Unicode: a word character is a letter, a character with a numeric value or "_" (combining marks are
/// none). `text` is UTF-8.
std::string normalized_text(std::string_view text);

}  // namespace bv
