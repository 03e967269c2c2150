#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "squad/features/features.hpp"
#include "squad/features/windows.hpp"
#include "squad/text/tokenizer.hpp"

namespace bv {

/// Tokens [first, last] of a context, both inclusive.
struct TokenSpan {
    std::int64_t first = 0;
    std::int64_t last = 0;
    bool operator==(const TokenSpan&) const = default;
};

/// A context, as the rules need it.
struct TokenizedContext {
    std::u32string characters;
    std::vector<Token> tokens;
};

/// The span of `answer` by the legacy rule (after Devlin et al. 2019): the tokens of the words that the
/// answer touches, where words are divided by blanks, tabs, line ends and U+202F. Within these, if the tokens
/// of the answer's text occur in a row, the span is their first occurrence. No value if the words do not
/// contain the answer's text, apart from white space: the legacy conversion leaves such a question out of
/// training.
std::optional<TokenSpan> legacy_span(const TokenizedContext& context, const Answer& answer,
                                     const Tokenizer& tokenizer);

/// The span of `answer` by the tokens' offsets: from the last token that begins at or before the first
/// character of the answer to the first token that ends at or after its last character. No value if there is
/// no such token. (If an answer begins in the last token of a window, run_qa's span goes on to [SEP]; here
/// the span stays in the context.)
std::optional<TokenSpan> offsets_span(const TokenizedContext& context, const Answer& answer);

/// `span`, counted from the start of the window's feature, in which the context begins at token
/// `context_begin`. {0, 0} ([CLS]: no answer) if the span is not wholly inside `window` or has no value.
TokenSpan label_in(const Window& window, const std::optional<TokenSpan>& span, std::int64_t context_begin);

}  // namespace bv
