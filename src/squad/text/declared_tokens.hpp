#pragma once

#include <string>
#include <vector>

#include "squad/text/added_tokens.hpp"
#include "squad/text/pieces.hpp"
#include "squad/text/tokenizer_files.hpp"
#include "squad/text/tokenizer_json.hpp"

namespace bv {

/// The special and added tokens that the files of a model folder declare, as transformers 5 collects them.
struct DeclaredTokens {
    std::string unknown;  ///< empty if none is declared; so are `cls` and `sep`
    std::string cls;
    std::string sep;
    std::vector<AddedToken> tokens;       ///< in the order in which they are added
    std::vector<PromisedToken> promised;  ///< those to which a file gives an id
};

/// Reads the declared tokens. `of_tokenizer` are the added tokens of tokenizer.json. With `defaults` special
/// tokens that no file names have BERT's names. Throws Error, which names file and key.
DeclaredTokens read_declared_tokens(const TokenizerFiles& files, const Pieces& vocabulary,
                                    const std::vector<PromisedToken>& of_tokenizer, bool defaults);

}  // namespace bv
