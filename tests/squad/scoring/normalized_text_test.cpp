#include "squad/scoring/normalized_text.hpp"

#include <gtest/gtest.h>

namespace bv {
namespace {

TEST(NormalizedText, DropsCasePunctuationArticlesAndSpace) {
    EXPECT_EQ(normalized_text("  The  Quick, \"brown\" fox!\n"), "quick brown fox");
    EXPECT_EQ(normalized_text("U.S. an A-1"), "us a1");
    EXPECT_EQ(normalized_text("A the an"), "");
}

TEST(NormalizedText, AnArticleIsAWholeWord) {
    EXPECT_EQ(normalized_text("Athens theory an' answer"), "athens theory answer");
    EXPECT_EQ(normalized_text("caf\u00e9 a\u00e9 a\u4e2d the2"), "caf\u00e9 a\u00e9 a\u4e2d the2");
}

TEST(NormalizedText, UnicodePunctuationStaysAndBoundsWords) {
    EXPECT_EQ(normalized_text("\u2013the\u2013"), "\u2013 \u2013");
    EXPECT_EQ(normalized_text("$\u00a35"), "\u00a35");
}

TEST(NormalizedText, ACombiningMarkIsNoWordCharacterAsInPython) {
    EXPECT_EQ(normalized_text("a\u0301b"), "\u0301b");
}

TEST(NormalizedText, NumbersOfAllKindsAreWordCharacters) {
    EXPECT_EQ(normalized_text("a\u00b2 the\u00bd an\u2167"), "a\u00b2 the\u00bd an\u2177");
}

TEST(NormalizedText, LowerCasesByContextAndLength) {
    EXPECT_EQ(normalized_text("\u03a3\u0391\u03a3"), "\u03c3\u03b1\u03c2");  // a final sigma
    EXPECT_EQ(normalized_text("\u0130"), "i\u0307");
}

TEST(NormalizedText, SplitsAtPythonsSpaces) {
    EXPECT_EQ(normalized_text("x\u00a0y\u3000z\u2028w\x1cv"), "x y z w v");
    EXPECT_EQ(normalized_text("x\u200by"), "x\u200by");  // a zero-width space is none
}

}  // namespace
}  // namespace bv
