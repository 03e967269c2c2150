#include "squad/features/labels.hpp"

#include <gtest/gtest.h>

#include "helpers/small_model.hpp"
#include "squad/text/characters.hpp"

namespace bv {
namespace {

class Labels : public testing::Test {
  protected:
    TokenizedContext context(const std::u32string& text) const { return {text, tokenizer_.tokenize(text)}; }
    std::optional<TokenSpan> legacy(const std::u32string& text, const Answer& answer) const {
        return legacy_span(context(text), answer, tokenizer_);
    }
    std::optional<TokenSpan> offsets(const std::u32string& text, const Answer& answer) const {
        return offsets_span(context(text), answer);
    }

    SmallModel model_{{"a", "b", "c", "##b", "##c", "(", ")", "-", "\u1100", "##\u1161"}};
    Tokenizer tokenizer_ = model_.tokenizer();
};

using Span = TokenSpan;

TEST_F(Labels, both_rules_agree_on_whole_words) {
    EXPECT_EQ(legacy(U"a b c", {"b c", 2}), (Span{1, 2}));
    EXPECT_EQ(offsets(U"a b c", {"b c", 2}), (Span{1, 2}));
}

TEST_F(Labels, legacy_narrows_a_word_to_the_tokens_of_the_answer) {
    EXPECT_EQ(legacy(U"a (b-c) a", {"b", 3}), (Span{2, 2}));
    EXPECT_EQ(legacy(U"a (b-c) a", {"b-c", 3}), (Span{2, 4}));
}

TEST_F(Labels, legacy_keeps_the_words_where_the_answers_tokens_are_others) {
    // "ab" is "a ##b"; "b" alone is another piece.
    EXPECT_EQ(legacy(U"c ab", {"b", 3}), (Span{1, 2}));
    EXPECT_EQ(offsets(U"c ab", {"b", 3}), (Span{2, 2}));
}

TEST_F(Labels, legacy_takes_the_first_run_of_equal_tokens_in_the_words) {
    EXPECT_EQ(legacy(U"c b-b", {"b", 4}), (Span{1, 1}));
    EXPECT_EQ(offsets(U"c b-b", {"b", 4}), (Span{3, 3}));
}

TEST_F(Labels, legacy_does_not_find_an_answer_with_spaces_it_does_not_cut_at) {
    EXPECT_EQ(legacy(U"a b\u00a0c", {"b\u00a0c", 2}), std::nullopt);
    EXPECT_EQ(offsets(U"a b\u00a0c", {"b\u00a0c", 2}), (Span{1, 2}));
    EXPECT_EQ(legacy(U"a b\u202fc", {"b\u202fc", 2}), (Span{1, 2}));
    EXPECT_EQ(legacy(U"a b  c", {"b  c", 2}), (Span{1, 2}));
}

TEST_F(Labels, white_space_before_an_answer_counts_to_the_word_before) {
    EXPECT_EQ(legacy(U"a b c", {" c", 3}), (Span{2, 2}));
    EXPECT_EQ(legacy(U"a c- c", {" c", 4}), (Span{1, 1}));
}

TEST_F(Labels, tokens_that_share_a_character_stay_in_order) {
    // The syllable U+AC00 is decomposed into two pieces with the same offsets.
    EXPECT_EQ(offsets(U"a \uac00", {"\uac00", 2}), (Span{1, 2}));
}

TEST_F(Labels, an_answer_without_tokens_has_no_span) {
    EXPECT_EQ(offsets(U"\u200b a", {"\u200b", 0}), std::nullopt);
    EXPECT_EQ(legacy(U"\u200b a", {"\u200b", 0}), std::nullopt);
}

TEST_F(Labels, a_span_not_wholly_inside_a_window_is_none) {
    EXPECT_EQ(label_in({2, 3}, Span{2, 4}, 5), (Span{5, 7}));
    EXPECT_EQ(label_in({2, 3}, Span{3, 5}, 5), (Span{0, 0}));
    EXPECT_EQ(label_in({2, 3}, Span{1, 3}, 5), (Span{0, 0}));
    EXPECT_EQ(label_in({2, 3}, std::nullopt, 5), (Span{0, 0}));
}

}  // namespace
}  // namespace bv
