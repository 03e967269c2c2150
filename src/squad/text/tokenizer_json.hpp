#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/json_file.hpp"
#include "squad/text/added_tokens.hpp"
#include "squad/text/basic_tokenizer.hpp"
#include "squad/text/pieces.hpp"

namespace bv {

/// An added token and the id that a file gives it; `place` names the file and the key.
struct PromisedToken {
    AddedToken token;
    std::int32_t id;
    std::string place;
};

/// The content of a file tokenizer.json of Hugging Face `tokenizers` that defines a BERT tokenizer.
struct TokenizerJson {
    Pieces vocabulary;
    BasicTokenizer basic;
    std::size_t longest_word = 100;
    std::string unknown;
    std::vector<PromisedToken> added;
};

/// Reads tokenizer.json. Throws Error, which names the key, if the file needs something that this project's
/// tokenizer does not do (another model, normalizer or pre-tokenizer).
TokenizerJson read_tokenizer_json(const JsonPlace& file);

/// The tokens that the file's post-processor puts before and after the first text. Throws Error, which names
/// the key, unless it turns a pair of texts A and B into [CLS] A [SEP] B [SEP], with segments 0 and 1.
std::pair<PromisedToken, PromisedToken> read_ends(const JsonPlace& file);

/// The id at `place`, a whole number of at least 0. Throws Error, which names the key.
std::int32_t id_at(const JsonPlace& place);

/// Reads an added token: a JSON string, which is a special token, or an object with flags. Throws Error,
/// which names the key.
AddedToken added_token(const JsonPlace& place);

}  // namespace bv
