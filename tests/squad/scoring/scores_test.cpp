#include "squad/scoring/scores.hpp"

#include <gtest/gtest.h>

#include "helpers/sample_features.hpp"

namespace bv {
namespace {

class Scores : public ::testing::Test {
  protected:
    Scores() {
        sample_.add("x", 4, {{"b", 2}}, {{0, 4}});
        sample_.add("y", 4, {}, {{0, 4}});
        logits_ = sample_.logits();
        logits_.start[sample_.place(0, 1)] = logits_.end[sample_.place(0, 1)] = 9;
        logits_.start[sample_.place(1, 2)] = 1;  // the best span is "c": "a" would be an article
        logits_.start[sample_.cls(1)] = logits_.end[sample_.cls(1)] = 9;
    }

    SampleFeatures sample_;
    SpanLogits logits_;
};

TEST_F(Scores, PerfectLogitsAreRightByBothScorers) {
    const SpanScores scores = score_span(sample_.features(), logits_);
    for (const auto* object : {&scores.official, &scores.reference}) {
        EXPECT_EQ((*object)["exact"], 100.0);
        EXPECT_EQ((*object)["f1"], 100.0);
        EXPECT_EQ((*object)["total"], 2);
    }
}

TEST_F(Scores, TheOfficialScoreIsThatOfTheAnswersAsWritten) {
    AnswerOptions options;
    options.null_threshold = 100;  // never none
    EXPECT_EQ(score_span(sample_.features(), logits_, options).official["exact"], 50.0);
    EXPECT_EQ(score_span(sample_.features(), logits_, options).official["best_exact"], 100.0);
    options.null_threshold = -100;  // always none
    EXPECT_EQ(score_span(sample_.features(), logits_, options).official["HasAns_exact"], 0.0);
    EXPECT_EQ(score_span(sample_.features(), logits_, options).official["NoAns_exact"], 100.0);
}

TEST_F(Scores, AnEnsembleOfOneModelIsThatModel) {
    const std::vector<SpanLogits> twice{logits_, logits_};
    const SpanScores one = score_span(sample_.features(), logits_);
    const SpanScores both = score_span(sample_.features(), twice, Combine::max);
    EXPECT_EQ(one.official["exact"], both.official["exact"]);
    EXPECT_EQ(one.reference, both.reference);
    EXPECT_NEAR(one.answers[0].null_odds, both.answers[0].null_odds, 1e-5);
}

TEST_F(Scores, AQuestionWithoutFeaturesIsNotScored) {
    sample_.features().questions.push_back({"z", "q", 0, {}, true});
    EXPECT_EQ(score_span(sample_.features(), logits_).official["total"], 2);
}

TEST_F(Scores, UnlabelledFeaturesHaveAnswersAndNoScores) {
    sample_.features().labelled = false;
    const SpanScores scores = score_span(sample_.features(), logits_);
    EXPECT_EQ(scores.answers.size(), 2U);
    EXPECT_TRUE(scores.official.is_null());
    EXPECT_EQ(summary(score(sample_.features(), logits_)), "unlabelled");
}

TEST_F(Scores, TheSummaryNamesEachScorer) {
    EXPECT_EQ(summary(score(sample_.features(), logits_)),
              "official EM 100.00 F1 100.00, reference EM 100.00 F1 100.00");
    const ClassLogits classes{"", {1, 0, 0, 1}};
    EXPECT_EQ(summary(score(sample_.features(), classes)), "classification accuracy 100.00 F1 100.00");
}

}  // namespace
}  // namespace bv
