#include "squad/scoring/normalized_text.hpp"

#include <cstring>

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

namespace bv {
namespace {

/// Whether `c` is in Python's string.punctuation.
bool is_ascii_punctuation(UChar32 c) {
    return c > 0 && c < 128 &&
           std::strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", static_cast<char>(c)) != nullptr;
}

/// Whether `c` is white space for Python's str.isspace.
bool is_space(UChar32 c) {
    return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

/// Whether `c` is a word character (\w) for Python. "_" is not tested for: it is punctuation, which is
/// already removed.
bool is_word_character(UChar32 c) {
    return u_isalpha(c) || u_getNumericValue(c) != U_NO_NUMERIC_VALUE;
}

}  // namespace

std::string normalized_text(std::string_view text) {
    icu::UnicodeString lower =
        icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())));
    lower.toLower(icu::Locale::getRoot());
    icu::UnicodeString kept;
    for (std::int32_t i = 0; i < lower.length(); i = lower.moveIndex32(i, 1)) {
        if (!is_ascii_punctuation(lower.char32At(i))) kept.append(lower.char32At(i));
    }
    // A match of \b(a|an|the)\b is a whole run of word characters.
    icu::UnicodeString joined;
    bool space_due = false;
    const auto append = [&](const icu::UnicodeString& piece) {
        if (space_due && !joined.isEmpty()) joined.append(static_cast<UChar32>(' '));
        space_due = false;
        joined.append(piece);
    };
    for (std::int32_t i = 0; i < kept.length();) {
        std::int32_t end = i;
        while (end < kept.length() && is_word_character(kept.char32At(end))) end = kept.moveIndex32(end, 1);
        if (end > i) {
            const icu::UnicodeString word(kept, i, end - i);
            if (word == u"a" || word == u"an" || word == u"the") {
                space_due = true;
            } else {
                append(word);
            }
            i = end;
        } else {
            const UChar32 c = kept.char32At(i);
            if (is_space(c)) {
                space_due = true;
            } else {
                append(icu::UnicodeString(c));
            }
            i = kept.moveIndex32(i, 1);
        }
    }
    std::string result;
    joined.toUTF8String(result);
    return result;
}

}  // namespace bv
