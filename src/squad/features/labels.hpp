#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "squad/features/features.hpp"
#include "squad/features/windows.hpp"
#include "squad/text/tokenizer.hpp"

namespace bv {

/// How an answer's characters become tokens.
enum class LabelRule {
    legacy,   ///< transformers' squad_convert_examples_to_features: by whitespace words, then by the answer's
              ///< own tokens
    offsets,  ///< today's run_qa: by the tokens' offsets
};

/// "legacy" or "offsets". Throws Error.
LabelRule label_rule_named(std::string_view name);

/// Tokens [first, last] of a context, both inclusive.
struct TokenSpan {
    std::int64_t first = 0;
    std::int64_t last = 0;
    bool operator==(const TokenSpan&) const = default;
};

/// A context as labelling needs it.
struct TokenizedContext {
    std::u32string characters;
    std::vector<Token> tokens;
};

/// The span of `answer` by the legacy rule: the whitespace words (blank, tab, line ends, U+202F) it touches,
/// narrowed to the first run of tokens equal to those of the answer's text (after Devlin et al. 2019). None
/// when its words do not contain its text, white space aside: the legacy conversion leaves such a question
/// out of training.
std::optional<TokenSpan> legacy_span(const TokenizedContext& context, const Answer& answer,
                                     const Tokenizer& tokenizer);

/// The span of `answer` by the tokens' offsets: from the last token that begins at or before its first
/// character to the first that ends at or after its last. None when no token does. (run_qa runs onto [SEP]
/// where an answer begins in a window's last token; here the span stays in the context.)
std::optional<TokenSpan> offsets_span(const TokenizedContext& context, const Answer& answer);

/// The span counted from the start of `window`'s feature, whose context begins at token `context_begin`, or
/// {0, 0}
/// ([CLS]: no answer) where the span is not wholly inside.
TokenSpan label_in(const Window& window, const std::optional<TokenSpan>& span, std::int64_t context_begin);

}  // namespace bv
