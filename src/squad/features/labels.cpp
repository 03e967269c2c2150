#include "squad/features/labels.hpp"

#include <algorithm>

#include <unicode/uchar.h>

#include "core/error.hpp"
#include "squad/text/characters.hpp"

namespace bv {
namespace {

/// Whether `c` is white space in the legacy conversion.
bool separates_words(char32_t c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0x202F;
}

/// Whether Python's str.split cuts at `c`.
bool is_python_space(char32_t c) {
    return u_isUWhiteSpace(static_cast<UChar32>(c)) || (c >= 0x1C && c <= 0x1F);
}

/// The words of `text`, joined by single blanks.
template <class IsSpace>
std::u32string single_spaced(std::u32string_view text, IsSpace is_space) {
    std::u32string result;
    bool pending = false;
    for (const char32_t c : text) {
        if (is_space(c)) {
            pending = !result.empty();
            continue;
        }
        if (pending) result.push_back(U' ');
        pending = false;
        result.push_back(c);
    }
    return result;
}

}  // namespace

std::optional<TokenSpan> legacy_span(const TokenizedContext& context, const Answer& answer,
                                     const Tokenizer& tokenizer) {
    const std::u32string& characters = context.characters;
    const std::u32string text = characters_of(answer.text);
    const auto size = static_cast<std::int64_t>(characters.size());
    // The range of the words that the answer touches. White space belongs to the word before it.
    std::int64_t begin = answer.start;
    std::int64_t end = std::min(answer.start + static_cast<std::int64_t>(text.size()), size);
    const auto separator_at = [&](std::int64_t i) {
        return separates_words(characters[static_cast<std::size_t>(i)]);
    };
    while (begin > 0 && separator_at(begin)) --begin;
    while (begin > 0 && !separator_at(begin - 1)) --begin;
    while (end < size && !separator_at(end - 1) && !separator_at(end)) ++end;
    const std::u32string_view touched(characters.data() + begin, static_cast<std::size_t>(end - begin));
    const std::u32string wanted = single_spaced(text, is_python_space);
    if (single_spaced(touched, separates_words).find(wanted) == std::u32string::npos) return std::nullopt;

    const auto& tokens = context.tokens;
    const auto token_at = [&](std::int64_t character) {
        return std::lower_bound(tokens.begin(), tokens.end(), character,
                                [](const Token& token, std::int64_t place) { return token.begin < place; });
    };
    const auto first = token_at(begin);
    const auto past = token_at(end);
    if (first >= past) return std::nullopt;
    const std::vector<Token> own = tokenizer.tokenize(text);
    const auto narrowed = std::search(first, past, own.begin(), own.end(),
                                      [](const Token& a, const Token& b) { return a.id == b.id; });
    const bool found = narrowed != past && !own.empty();
    const std::int64_t start = (found ? narrowed : first) - tokens.begin();
    return TokenSpan{start,
                     found ? start + static_cast<std::int64_t>(own.size()) - 1 : past - tokens.begin() - 1};
}

std::optional<TokenSpan> offsets_span(const TokenizedContext& context, const Answer& answer) {
    const auto& tokens = context.tokens;
    const std::int64_t begin = answer.start;
    const std::int64_t end = begin + static_cast<std::int64_t>(characters_of(answer.text).size());
    const auto after_first =
        std::find_if(tokens.begin(), tokens.end(), [&](const Token& token) { return token.begin > begin; });
    const auto last =
        std::find_if(tokens.begin(), tokens.end(), [&](const Token& token) { return token.end >= end; });
    if (after_first == tokens.begin() || last == tokens.end()) return std::nullopt;
    // Several tokens may have the same character, as the letters of a Hangul syllable do. Then `one` may come
    // after `other`.
    const std::int64_t one = after_first - 1 - tokens.begin();
    const std::int64_t other = last - tokens.begin();
    return TokenSpan{std::min(one, other), std::max(one, other)};
}

TokenSpan label_in(const Window& window, const std::optional<TokenSpan>& span, std::int64_t context_begin) {
    if (!span || span->first < window.first || span->last >= window.first + window.size) return {};
    const std::int64_t shift = context_begin - window.first;
    return {span->first + shift, span->last + shift};
}

}  // namespace bv
