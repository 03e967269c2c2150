#include "squad/scoring/class_scorer.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "helpers/sample_features.hpp"

namespace bv {
namespace {

TEST(ClassScorer, OneWindowWithAnAnswerMakesTheQuestionAnswerable) {
    SampleFeatures sample;
    sample.add("x", 6, {{"a", 0}}, {{0, 4}, {2, 6}});
    const ClassLogits logits{"", {0, 3, 0, -1}};
    const auto question = classify_questions(sample.features(), logits).at(0);
    EXPECT_NEAR(question.none_probability, 1 / (1 + std::exp(1.0)), 1e-12);
    EXPECT_TRUE(question.reference_none);  // the reference lets one "no" window veto it
}

TEST(ClassScorer, CountsWithNoAnswerAsPositive) {
    SampleFeatures sample;
    sample.add("one", 3, {{"a", 0}}, {{0, 3}});
    sample.add("two", 3, {}, {{0, 3}});
    sample.add("three", 3, {}, {{0, 3}});
    sample.add("four", 3, {{"a", 0}}, {{0, 2}, {1, 3}});
    // says: one none (wrong), two none (right), three answer (wrong), four: windows none and answer.
    const ClassLogits logits{"", {0, 1, 0, 1, 1, 0, 0, 1, 1, 0}};
    const auto scores = class_scores(sample.features(), classify_questions(sample.features(), logits));
    EXPECT_EQ(scores["exact"], 50.0);
    EXPECT_EQ(scores["f1"], 50.0);  // 1 right of 2 said, of 2 true
    EXPECT_EQ(scores["reference_exact"], 25.0);
    EXPECT_NEAR(scores["reference_f1"], 40.0, 1e-12);  // 1 right of 3 said, of 2 true
    EXPECT_EQ(scores["majority_exact"], 50.0);
    EXPECT_EQ(scores["total"], 4);
}

}  // namespace
}  // namespace bv
