#pragma once

#include <string>
#include <string_view>

namespace bv {

/// An answer in the form in which the official SQuAD 2.0 scorer compares it: lower-cased, without ASCII
/// punctuation and the words "a", "an" and "the", words joined by one space. Follows Python's str.lower, \b
/// and str.split for all of Unicode: word characters are letters, characters with a numeric value and "_",
/// but not combining marks. `text` is UTF-8.
std::string normalized_text(std::string_view text);

}  // namespace bv
