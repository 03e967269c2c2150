#include "squad/text/characters.hpp"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "core/error.hpp"

namespace bv {
namespace {

constexpr int kCategoriesVersion = 8;
constexpr int kDecompositionsVersion = 9;

bool exists_in(char32_t c, int unicode_version) {
    UVersionInfo age;
    u_charAge(static_cast<UChar32>(c), age);
    return age[0] != 0 && age[0] <= unicode_version;
}

/// The category of `c` as a bit U_GC_*_MASK; 0 for characters that are younger than the tables.
std::uint32_t category_of(char32_t c) {
    switch (c) {  // their categories were corrected after Unicode 8; these are the old ones
        case 0x1734:
            return U_GC_MN_MASK;
        case 0x1885:
        case 0x1886:
            return U_GC_LO_MASK;
        case 0xA9BD:
            return U_GC_MC_MASK;
        case 0x166D:
        case 0x111C9:
            return U_GC_PO_MASK;
        default:
            break;
    }
    const std::uint32_t category = U_GET_GC_MASK(static_cast<UChar32>(c));
    return exists_in(c, kCategoriesVersion) ? category : 0;
}

const icu::Normalizer2& decomposer() {
    static const icu::Normalizer2* const instance = [] {
        UErrorCode status = U_ZERO_ERROR;
        const icu::Normalizer2* found = icu::Normalizer2::getNFDInstance(status);
        BV_EXPECT(U_SUCCESS(status));
        return found;
    }();
    return *instance;
}

constexpr bool is_ascii(char32_t c) {
    return c < 0x80;
}

}  // namespace

std::u32string characters_of(std::string_view utf8) {
    std::u32string characters;
    characters.reserve(utf8.size());
    const auto size = static_cast<std::int64_t>(utf8.size());
    for (std::int64_t i = 0; i < size;) {
        UChar32 c = 0;
        U8_NEXT(utf8.data(), i, size, c);
        BV_EXPECT(c >= 0);
        characters.push_back(static_cast<char32_t>(c));
    }
    return characters;
}

std::optional<std::size_t> first_wrong_byte(std::string_view utf8) {
    const auto size = static_cast<std::int64_t>(utf8.size());
    for (std::int64_t i = 0; i < size;) {
        const std::int64_t begin = i;
        UChar32 c = 0;
        U8_NEXT(utf8.data(), i, size, c);
        if (c < 0) return static_cast<std::size_t>(begin);
    }
    return std::nullopt;
}

std::string_view trimmed_at_end(std::string_view utf8) {
    auto size = static_cast<std::int64_t>(utf8.size());
    while (size > 0) {
        std::int64_t begin = size - 1;
        while (begin > 0 && U8_IS_TRAIL(utf8[static_cast<std::size_t>(begin)])) --begin;
        std::int64_t i = begin;
        UChar32 c = 0;
        U8_NEXT(utf8.data(), i, size, c);
        if (!u_isUWhiteSpace(c)) break;
        size = begin;
    }
    return utf8.substr(0, static_cast<std::size_t>(size));
}

std::string utf8_of(std::u32string_view characters) {
    std::string utf8;
    utf8.reserve(characters.size());
    for (const char32_t c : characters) {
        char bytes[U8_MAX_LENGTH];
        int size = 0;
        U8_APPEND_UNSAFE(bytes, size, static_cast<UChar32>(c));
        utf8.append(bytes, static_cast<std::size_t>(size));
    }
    return utf8;
}

std::vector<std::int32_t> byte_offsets(std::u32string_view characters) {
    std::vector<std::int32_t> offsets{0};
    offsets.reserve(characters.size() + 1);
    for (const char32_t c : characters)
        offsets.push_back(offsets.back() + U8_LENGTH(static_cast<UChar32>(c)));
    return offsets;
}

namespace as_bert {

bool is_dropped(char32_t c) {
    if (c == '\t' || c == '\n' || c == '\r') return false;
    if (is_ascii(c)) return c < 0x20 || c == 0x7F;
    constexpr std::uint32_t kOther = U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK;
    return c == 0xFFFD || (category_of(c) & kOther) != 0;
}

bool is_space(char32_t c) {
    if (is_ascii(c)) return c == ' ' || (c >= '\t' && c <= '\r');
    return u_isUWhiteSpace(static_cast<UChar32>(c));
}

bool is_of_word(char32_t c) {
    constexpr std::uint32_t kOfWord = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;
    const auto character = static_cast<UChar32>(c);
    return u_hasBinaryProperty(character, UCHAR_ALPHABETIC) || (U_GET_GC_MASK(character) & kOfWord) != 0 ||
           u_hasBinaryProperty(character, UCHAR_JOIN_CONTROL);
}

bool is_punctuation(char32_t c) {
    if (is_ascii(c)) return c > ' ' && c < 0x7F && !u_isalnum(static_cast<UChar32>(c));
    return (category_of(c) & U_GC_P_MASK) != 0;
}

bool is_ideograph(char32_t c) {
    if (c < 0x3400) return false;
    // `tokenizers` leaves out U+2B820 to U+2B91F, so they are left out here.
    return (c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B81F) ||
           (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool is_accent(char32_t c) {
    return c >= 0x300 && (category_of(c) & U_GC_MN_MASK) != 0;
}

int combining_class(char32_t c) {
    if (c < 0x300 || !exists_in(c, kDecompositionsVersion)) return 0;
    return u_getCombiningClass(static_cast<UChar32>(c));
}

void append_decomposition(char32_t c, std::u32string& target) {
    icu::UnicodeString parts;
    if (c < 0xC0 || !exists_in(c, kDecompositionsVersion) ||
        !decomposer().getDecomposition(static_cast<UChar32>(c), parts)) {
        target.push_back(c);
        return;
    }
    for (int i = 0; i < parts.length(); i = parts.moveIndex32(i, 1)) {
        target.push_back(static_cast<char32_t>(parts.char32At(i)));
    }
}

void append_lower(char32_t c, std::u32string& target) {
    target.push_back(static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))));
    // U+0130 is the only character that always becomes two, whatever the language and context: "i" and a dot
    // above.
    if (c == 0x130) target.push_back(0x307);
}

}  // namespace as_bert
}  // namespace bv
