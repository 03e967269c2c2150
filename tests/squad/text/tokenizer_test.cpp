#include "squad/text/tokenizer.hpp"

#include <gtest/gtest.h>

#include "helpers/expect_error.hpp"
#include "helpers/small_model.hpp"
#include "squad/text/characters.hpp"

namespace bv {
namespace {

std::vector<std::string> words_of(const BasicTokenizer& basic, const std::string& text) {
    std::vector<std::string> result;
    for (const auto& word : BasicTokenizer::words(basic.normalized(characters_of(text)))) {
        std::u32string characters;
        for (const auto& character : word) characters.push_back(character.value);
        result.push_back(utf8_of(characters));
    }
    return result;
}

using Strings = std::vector<std::string>;

std::vector<std::int32_t> ids_of(const std::vector<Token>& tokens) {
    std::vector<std::int32_t> ids;
    for (const Token& token : tokens) ids.push_back(token.id);
    return ids;
}

using Ids = std::vector<std::int32_t>;

TEST(BasicTokenizer, cuts_at_white_space_and_around_punctuation) {
    EXPECT_EQ(words_of({}, "  Don't\tstop,\u00a0now.\n"),
              (Strings{"don", "'", "t", "stop", ",", "now", "."}));
    EXPECT_EQ(words_of({}, "$5+\u2014x"), (Strings{"$", "5", "+", "\u2014", "x"}));
}

TEST(BasicTokenizer, drops_control_characters_without_cutting_the_word) {
    EXPECT_EQ(words_of({}, std::string("a\0b\u200bc\u00add\ufffd", 13)), (Strings{"abcd"}));
}

TEST(BasicTokenizer, ideographs_are_words_of_their_own_and_kana_and_hangul_are_not) {
    EXPECT_EQ(words_of({}, "a\u4e2d\u6587\u3042\u3044"), (Strings{"a", "\u4e2d", "\u6587", "\u3042\u3044"}));
    EXPECT_EQ(words_of({true, true, false}, "a\u4e2d\u6587"), (Strings{"a\u4e2d\u6587"}));
}

TEST(BasicTokenizer, composed_and_decomposed_accents_come_out_alike) {
    EXPECT_EQ(words_of({}, "\u00c9t\u00e9"), (Strings{"ete"}));
    EXPECT_EQ(words_of({}, "E\u0301te\u0301"), (Strings{"ete"}));
    EXPECT_EQ(words_of({false, false, true}, "\u00c9t\u00e9"), (Strings{"\u00c9t\u00e9"}));
}

TEST(BasicTokenizer, lower_case_knows_neither_language_nor_context) {
    EXPECT_EQ(words_of({}, "\u0130STANBUL"), (Strings{"istanbul"}));
    EXPECT_EQ(words_of({true, false, true}, "\u0130"), (Strings{"i\u0307"}));
    EXPECT_EQ(words_of({}, "\u039f\u03a3"), (Strings{"\u03bf\u03c3"}));  // no final sigma
    EXPECT_EQ(words_of({}, "\u1e9e"), (Strings{"\u00df"}));
}

TEST(BasicTokenizer, ranges_count_original_characters) {
    const auto normalized = BasicTokenizer{}.normalized(characters_of("\u200bE\u0301\U0001f680x"));
    const auto words = BasicTokenizer::words(normalized);
    ASSERT_EQ(words.size(), 1U);
    ASSERT_EQ(words[0].size(), 3U);
    EXPECT_EQ(words[0][0].begin, 1);
    EXPECT_EQ(words[0][0].end, 2);
    EXPECT_EQ(words[0][1].begin, 3);
    EXPECT_EQ(words[0][2].end, 5);
}

TEST(Tokenizer, takes_the_longest_piece_first) {
    const SmallModel model({"un", "una", "##ff", "##able", "##aff", "##a", "##b"});
    const auto tokens = model.tokenizer().tokenize(U"unaffable");
    EXPECT_EQ(ids_of(tokens), (Ids{5, 6, 7}));  // una ##ff ##able
    EXPECT_EQ(tokens[1].begin, 3);
    EXPECT_EQ(tokens[1].end, 5);
}

TEST(Tokenizer, a_word_with_any_unknown_piece_is_unknown_as_a_whole) {
    const SmallModel model({"a", "##b"});
    const auto tokens = model.tokenizer().tokenize(U"ab abz a");
    EXPECT_EQ(ids_of(tokens), (Ids{4, 5, 1, 4}));
    EXPECT_EQ(tokens[2].begin, 3);
    EXPECT_EQ(tokens[2].end, 6);
}

TEST(Tokenizer, words_over_100_characters_are_unknown) {
    const SmallModel model({"a", "##a"});
    EXPECT_EQ(model.tokenizer().tokenize(std::u32string(100, U'a')).size(), 100U);
    EXPECT_EQ(ids_of(model.tokenizer().tokenize(std::u32string(101, U'a'))), (Ids{1}));
}

TEST(Tokenizer, special_tokens_in_a_text_are_those_tokens_only_in_their_own_case) {
    const SmallModel model({"a", "[", "]", "sep"});
    EXPECT_EQ(ids_of(model.tokenizer().tokenize(U"a[SEP]a [sep]")), (Ids{4, 3, 4, 5, 7, 6}));
}

TEST(Tokenizer, case_follows_the_models_own_setting) {
    const SmallModel uncased({"a", "A"});
    const SmallModel cased({"a", "A"}, R"({"do_lower_case": false})");
    EXPECT_EQ(ids_of(uncased.tokenizer().tokenize(U"A")), (Ids{4}));
    EXPECT_EQ(ids_of(cased.tokenizer().tokenize(U"A")), (Ids{5}));
    EXPECT_FALSE(cased.tokenizer().basic().strip_accents);
}

TEST(Tokenizer, a_post_processor_without_a_name_is_refused) {
    const SmallModel model({"a"}, R"({"tokenizer_class": "PreTrainedTokenizerFast"})");
    write_file(model.path() / "tokenizer.json",
               R"({"model": {"type": "WordPiece", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
                   "normalizer": {"type": "BertNormalizer"}, "pre_tokenizer": {"type": "BertPreTokenizer"},
                   "post_processor": {"type": 3}})");
    BV_EXPECT_ERROR(model.tokenizer(), "tokenizer.json", "post_processor");
}

TEST(Tokenizer, a_folder_without_a_bert_vocabulary_is_refused_by_name) {
    TemporaryFolder folder;
    BV_EXPECT_ERROR(Tokenizer(folder / "absent"), "absent", "no folder");
    BV_EXPECT_ERROR(Tokenizer(folder.path()), "vocab.txt", "tokenizer.json");
    write_file(folder / "vocab.txt", "[CLS]\n[UNK]\nword\n");
    BV_EXPECT_ERROR(Tokenizer(folder.path()), "vocab.txt", "[SEP]", "3 tokens");
    const SmallModel broken({}, R"({"do_lower_case": "yes"})");
    BV_EXPECT_ERROR(broken.tokenizer(), "tokenizer_config.json", "do_lower_case", "yes");
}

}  // namespace
}  // namespace bv
