#include "squad/scoring/reference_scorer.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "helpers/sample_features.hpp"
#include "squad/scoring/probabilities.hpp"

namespace bv {
namespace {

ReferenceAnswer answer(SampleFeatures& sample, const SpanLogits& logits) {
    return reference_answers(sample.features(), log_softmax(sample.features(), logits)).at(0);
}

TEST(ReferenceScorer, AnAnswerRunsFromTheLikeliestStartToTheLikeliestEnd) {
    SampleFeatures sample;
    sample.add("x", 6, {}, {{0, 6}});
    SpanLogits logits = sample.logits();
    logits.start[sample.place(0, 2)] = 1;
    logits.end[sample.place(0, 4)] = 1;
    EXPECT_EQ(answer(sample, logits).best, (Wordpieces{12, 13, 14}));
}

TEST(ReferenceScorer, ClsAndAReversedSpanAreNone) {
    SampleFeatures sample;
    sample.add("x", 6, {}, {{0, 6}});
    EXPECT_EQ(answer(sample, sample.logits()).best, Wordpieces{});  // all equal: the first, CLS
    SpanLogits logits = sample.logits();
    logits.start[sample.place(0, 4)] = 1;
    logits.end[sample.place(0, 2)] = 1;
    EXPECT_EQ(answer(sample, logits).best, Wordpieces{});
}

TEST(ReferenceScorer, TheWindowOfTheHighestProbabilityWinsNotOfTheHighestLogit) {
    SampleFeatures sample;
    sample.add("x", 6, {}, {{0, 4}, {2, 6}});
    SpanLogits logits = sample.logits();
    for (std::size_t i = sample.cls(0); i < sample.cls(1); ++i) logits.start[i] = logits.end[i] = 50;
    logits.start[sample.place(0, 0)] = logits.end[sample.place(0, 0)] = 51;
    logits.start[sample.place(1, 5)] = logits.end[sample.place(1, 5)] = 3;
    EXPECT_EQ(answer(sample, logits).best, (Wordpieces{15}));
}

TEST(ReferenceScorer, TheSecondBestAnswerUsesNeitherTheBestStartNorItsEndInAnyWindow) {
    SampleFeatures sample;
    sample.add("x", 6, {}, {{0, 4}, {2, 6}});
    SpanLogits logits = sample.logits();
    for (const std::size_t window : {0, 1}) {
        logits.start[sample.place(window, 3)] = logits.end[sample.place(window, 3)] = 9;
    }
    logits.start[sample.place(0, 1)] = logits.end[sample.place(0, 2)] = 5;
    const ReferenceAnswer found = answer(sample, logits);
    EXPECT_EQ(found.best, (Wordpieces{13}));
    EXPECT_EQ(found.second, (Wordpieces{11, 12}));
}

TEST(ReferenceScorer, AGoldAnswerIsAllTokensItsCharactersTouchInAnyWindow) {
    SampleFeatures sample;
    sample.add("x", 6, {{"b c d e", 2}, {"f", 10}}, {{0, 4}, {2, 6}});
    const auto golds = gold_wordpieces(sample.features(), 0, 2);
    EXPECT_EQ(golds, (std::vector<Wordpieces>{{11, 12, 13, 14}, {15}}));
}

TEST(ReferenceScorer, ScoresInPercentBestOverGoldAnswers) {
    SampleFeatures sample;
    sample.add("x", 6, {{"b c d", 2}, {"a", 0}}, {{0, 6}});
    sample.add("y", 6, {}, {{0, 6}});
    SpanLogits logits = sample.logits();
    logits.start[sample.place(0, 2)] = logits.end[sample.place(0, 3)] = 5;  // "c d": F1 0.8 against "b c d"
    logits.start[sample.place(0, 0)] = logits.end[sample.place(0, 0)] = 3;  // second best: "a", right
    const auto answers = reference_answers(sample.features(), log_softmax(sample.features(), logits));
    const auto scores = reference_scores(sample.features(), answers, judge(sample.features(), answers));
    EXPECT_EQ(scores["exact"], 50.0);
    EXPECT_NEAR(scores["f1"], 90.0, 1e-12);
    EXPECT_NEAR(scores["HasAns_f1"], 80.0, 1e-12);
    EXPECT_EQ(scores["NoAns_exact"], 100.0);
    EXPECT_EQ(scores["second_best_exact"], 100.0);
    EXPECT_EQ(scores["second_best_total"], 1);
}

}  // namespace
}  // namespace bv
