// The files of a model folder that define its tokenizer, and a text to cut.
#include "frame.hpp"
#include "squad/text/characters.hpp"
#include "squad/text/tokenizer.hpp"

void bv::fuzz::read(std::string_view input) {
    write_files(input, {"vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                        "added_tokens.json", "config.json"});
    const Tokenizer tokenizer(folder());
    const std::string_view text = part(input, "text");
    if (!first_wrong_byte(text)) tokenizer.tokenize(characters_of(text));  // callers have it from JSON
}
