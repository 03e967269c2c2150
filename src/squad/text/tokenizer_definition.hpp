#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "squad/text/added_tokens.hpp"
#include "squad/text/basic_tokenizer.hpp"
#include "squad/text/pieces.hpp"
#include "squad/text/tokenizer_json.hpp"

namespace bv {

/// The tokenizer that the files of a model folder define.
struct TokenizerDefinition {
    std::filesystem::path source;  ///< the file that the vocabulary is read from
    Pieces vocabulary;
    BasicTokenizer basic;
    std::size_t longest_word = 100;  ///< characters; longer words are unknown as a whole
    std::string unknown;
    std::string cls;
    std::string sep;
    bool skip_special = false;                   ///< a special token in a text is plain text
    std::vector<std::vector<AddedToken>> added;  ///< each list is added in one call
    std::vector<PromisedToken> promised;         ///< tokens to which a file gives an id
};

/// Reads the files as transformers 5's AutoTokenizer does. If there is a tokenizer.json, the vocabulary comes
/// from it, and vocab.txt does not count. The rest depends on `tokenizer_class`: for BertTokenizer (also when
/// none is named) it comes from tokenizer_config.json, which tokenizer.json must not contradict; for
/// PreTrainedTokenizerFast and TokenizersBackend from tokenizer.json. Lines of vocab.txt lose the white space
/// at their end; of equal lines the last one counts. Throws Error, which names file and key, if a file is
/// missing or not readable, or if the tokenizer is not BERT's.
TokenizerDefinition read_tokenizer_definition(const std::filesystem::path& model);

}  // namespace bv
