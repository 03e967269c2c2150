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
    bool skip_special = false;                   ///< special tokens written out in a text are plain text
    std::vector<std::vector<AddedToken>> added;  ///< each list is added at once
    std::vector<PromisedToken> promised;         ///< tokens to which a file gives an id
};

/// Reads it as transformers 5's AutoTokenizer does. Where there is a tokenizer.json, the vocabulary comes
/// from it, and vocab.txt does not count. The rest depends on `tokenizer_class`: for BertTokenizer (also when
/// none is named) it comes from tokenizer_config.json, which tokenizer.json must not contradict; for
/// PreTrainedTokenizerFast and TokenizersBackend from tokenizer.json. Lines of vocab.txt lose the white space
/// at their end; of equal lines the last one counts. Throws Error naming file and key: missing, not readable,
/// or a tokenizer that is not BERT's.
TokenizerDefinition read_tokenizer_definition(const std::filesystem::path& model);

}  // namespace bv
