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
    std::string unknown;                  ///< empty where none is declared
    std::string cls;                      ///<
    std::string sep;                      ///<
    std::vector<AddedToken> tokens;       ///< in the order of adding
    std::vector<PromisedToken> promised;  ///< those to which a file gives an id
};

/// `of_tokenizer` are the added tokens of tokenizer.json. `defaults`: special tokens that no file names have
/// BERT's names. Throws Error naming file and key.
DeclaredTokens read_declared_tokens(const TokenizerFiles& files, const Pieces& vocabulary,
                                    const std::vector<PromisedToken>& of_tokenizer, bool defaults);

}  // namespace bv
