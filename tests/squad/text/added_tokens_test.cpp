#include "squad/text/added_tokens.hpp"

#include <gtest/gtest.h>

#include "helpers/expect_error.hpp"
#include "helpers/small_model.hpp"
#include "squad/text/characters.hpp"

namespace bv {
namespace {

AddedToken token(const std::string& content) {
    AddedToken token;
    token.content = content;
    return token;
}

AddedTokens made_of(const std::vector<AddedToken>& tokens, const Pieces& vocabulary = {}) {
    AddedTokens added;
    added.add(tokens, vocabulary);
    added.finish({}, /*skip_special=*/false, "place");
    return added;
}

/// Parts as text: added tokens between angle brackets.
std::string shown(const std::vector<AddedTokens::Part>& parts, std::u32string_view text) {
    std::string result;
    for (const auto& part : parts) {
        const std::string piece = utf8_of(text.substr(part.begin, part.end - part.begin));
        result += part.id ? "<" + piece + ">" : piece;
    }
    return result;
}

TEST(AddedTokens, a_piece_keeps_its_id_and_new_ones_follow_the_vocabulary) {
    const AddedTokens added =
        made_of({token("new"), token("old"), token("newer")}, {{"other", 9}, {"old", 1}});
    EXPECT_EQ(added.id_of("old"), 1);
    EXPECT_EQ(added.id_of("new"), 2);
    EXPECT_EQ(added.id_of("newer"), 3);
    EXPECT_EQ(added.id_of("other"), std::nullopt);
}

TEST(AddedTokens, the_longest_of_the_leftmost_counts) {
    AddedToken a = token("ab"), b = token("abc"), c = token("bcde");
    for (AddedToken* each : {&a, &b, &c}) each->normalized = false;
    EXPECT_EQ(shown(made_of({a, b, c}).parts(U"xabcdebcde"), U"xabcdebcde"), "x<abc>de<bcde>");
}

TEST(AddedTokens, whole_words_and_white_space_follow_the_flags) {
    AddedToken word = token("ab");
    word.normalized = false;
    word.single_word = true;
    EXPECT_EQ(shown(made_of({word}).parts(U"ab xab ab_ (ab)"), U"ab xab ab_ (ab)"), "<ab> xab ab_ (<ab>)");
    AddedToken wide = token("ab");
    wide.normalized = false;
    wide.lstrip = wide.rstrip = true;
    EXPECT_EQ(shown(made_of({wide}).parts(U"x  ab\t ab y"), U"x  ab\t ab y"), "x<  ab\t ><ab >y");
}

TEST(AddedTokens, special_ones_match_the_text_as_it_is_and_others_its_normalized_form) {
    AddedToken special = token("[Ent]");
    special.special = true;
    const AddedTokens added = made_of({special, token("Caf\u00e9")});
    EXPECT_EQ(shown(added.parts(U"[Ent][ent]cafe"), U"[Ent][ent]cafe"), "<[Ent]>[ent]cafe");
    EXPECT_EQ(shown(added.parts_of_normalized(U"a cafe"), U"a cafe"), "a <cafe>");
    BV_EXPECT_ERROR(made_of({token("\u200b")}), "place", "is empty after normalization");
}

TEST(AddedTokens, their_description_knows_their_flags_and_not_their_order) {
    AddedToken wide = token("b");
    wide.lstrip = true;
    const Pieces vocabulary{{"a", 0}, {"b", 1}};
    const auto described = [&](const std::vector<AddedToken>& tokens) {
        return made_of(tokens, vocabulary).description();
    };
    EXPECT_EQ(described({token("a"), token("b")}), described({token("b"), token("a")}));
    EXPECT_NE(described({token("a"), token("b")}), described({token("a"), wide}));
    EXPECT_NE(described({token("a"), token("b")}), described({token("a")}));
}

TEST(Tokenizer, offsets_of_added_tokens_count_original_characters) {
    const SmallModel model({"a"});
    write_file(model.path() / "added_tokens.json", R"({"Caf\u00e9": 5})");
    const auto tokens = model.tokenizer().tokenize(U"a \u200bCAFE\u0301a");
    ASSERT_EQ(tokens.size(), 3U);
    EXPECT_EQ(tokens[1].id, 5);
    EXPECT_EQ(tokens[1].begin, 3);
    EXPECT_EQ(tokens[2].begin, 8);
}

TEST(Tokenizer, white_space_at_the_end_of_vocabulary_lines_does_not_count) {
    TemporaryFolder folder;
    write_file(folder / "vocab.txt", "[PAD]\r\n[UNK]\n[CLS] \n[SEP]\t\ncat\u00a0\u3000\n\n dog\nmat");
    const Tokenizer tokenizer(folder.path());
    EXPECT_EQ(tokenizer.cls(), 2);
    const auto tokens = tokenizer.tokenize(U"cat dog mat");
    ASSERT_EQ(tokens.size(), 3U);
    EXPECT_EQ(tokens[0].id, 4);
    EXPECT_EQ(tokens[1].id, 1);
    EXPECT_EQ(tokens[2].id, 7);
    write_file(folder / "vocab.txt", "[PAD]\n\xff\n");
    BV_EXPECT_ERROR(Tokenizer(folder.path()), "vocab.txt", "UTF-8", "line 2");
}

TEST(Tokenizer, its_fingerprint_tells_settings_and_added_tokens_apart_but_not_files) {
    const SmallModel plain({"a"});
    const SmallModel alike({"a "}, R"({"do_lower_case": true})");
    const SmallModel cased({"a"}, R"({"do_lower_case": false})");
    const SmallModel special({"a"}, R"({"additional_special_tokens": ["a"]})");
    EXPECT_EQ(plain.tokenizer().fingerprint(), alike.tokenizer().fingerprint());
    EXPECT_NE(plain.tokenizer().fingerprint(), cased.tokenizer().fingerprint());
    EXPECT_NE(plain.tokenizer().fingerprint(), special.tokenizer().fingerprint());
    EXPECT_EQ(plain.tokenizer().vocabulary(), cased.tokenizer().vocabulary());
}

}  // namespace
}  // namespace bv
