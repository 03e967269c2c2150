#include "squad/scoring/answers.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "helpers/sample_features.hpp"

namespace bv {
namespace {

/// One question over "a b c d e f" in one window.
SampleFeatures one_window() {
    SampleFeatures sample;
    sample.add("x", 6, {}, {{0, 6}});
    return sample;
}

TEST(Answers, TheBestSpanIsTextOfTheContext) {
    SampleFeatures sample = one_window();
    SpanLogits logits = sample.logits();
    logits.start[sample.place(0, 1)] = 5;
    logits.end[sample.place(0, 3)] = 4;
    logits.start[sample.cls(0)] = 1;
    const auto answers = find_answers(sample.features(), logits, {});
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ(answers[0].span_text(), "b c d");
    EXPECT_EQ(answers[0].null_odds, 1 - 9);
    EXPECT_EQ(answers[0].text(0), "b c d");
    EXPECT_EQ(answers[0].text(-10), "");
}

TEST(Answers, ProbabilitiesAreASoftmaxOverTheCandidates) {
    SampleFeatures sample = one_window();
    SpanLogits logits = sample.logits();
    for (std::size_t i = 0; i < logits.start.size(); ++i) logits.start[i] = std::sin(static_cast<float>(i));
    const auto answer = find_answers(sample.features(), logits, {})[0];
    double sum = 0;
    for (const Candidate& candidate : answer.n_best) sum += candidate.probability;
    EXPECT_NEAR(sum, 1, 1e-12);
    const auto score = [](const Candidate& c) { return c.start_logit + c.end_logit; };
    EXPECT_NEAR(answer.n_best[0].probability / answer.n_best[3].probability,
                std::exp(score(answer.n_best[0]) - score(answer.n_best[3])), 1e-6);
}

TEST(Answers, SpansMustBeOrderedShortInTheContextAndOfMaximumContext) {
    SampleFeatures sample = one_window();
    SpanLogits logits = sample.logits();
    logits.start[sample.place(0, 4)] = 9;
    logits.end[sample.place(0, 1)] = 9;  // before the start
    logits.end[sample.cls(0) + 1] = 20;  // in the question
    logits.start[sample.place(0, 0)] = 7;
    sample.features().max_context[sample.place(0, 0)] = 0;
    AnswerOptions options;
    options.max_answer_tokens = 2;
    const auto answer = find_answers(sample.features(), logits, options)[0];
    EXPECT_EQ(answer.span_text(), "e");
    for (const Candidate& candidate : answer.n_best) {
        EXPECT_LE(candidate.text.size(), 3U) << candidate.text;
        EXPECT_FALSE(candidate.text.starts_with("a"));
    }
}

TEST(Answers, NoneScoresTheLowestOfItsWindowsAndIsAlwaysListed) {
    SampleFeatures sample;
    sample.add("x", 6, {}, {{0, 4}, {2, 6}});
    SpanLogits logits = sample.logits();
    logits.start[sample.cls(0)] = 3;
    logits.start[sample.cls(1)] = -30;
    for (const std::int64_t t : {3, 4, 5}) {
        logits.start[sample.place(1, t)] = logits.end[sample.place(1, t)] = static_cast<float>(t - 3);
    }
    AnswerOptions options;
    options.n_best = 3;
    const auto answer = find_answers(sample.features(), logits, options)[0];
    EXPECT_EQ(answer.span_text(), "f");
    EXPECT_EQ(answer.null_odds, -30 - 4);
    ASSERT_EQ(answer.n_best.size(), 4U);
    EXPECT_EQ(answer.n_best.back().text, "");
    EXPECT_EQ(answer.n_best.back().start_logit, -30);
}

TEST(Answers, WithoutACandidateTheTextIsRunQasStandIn) {
    SampleFeatures sample = one_window();
    for (auto& flag : sample.features().max_context) flag = 0;
    SpanLogits logits = sample.logits();
    logits.start[sample.cls(0)] = 3;
    const auto answer = find_answers(sample.features(), logits, {})[0];
    EXPECT_EQ(answer.span_text(), "empty");
    EXPECT_EQ(answer.null_odds, 3);
    EXPECT_EQ(answer.text(0), "");
}

TEST(Answers, EqualScoresGoByTheEarlierToken) {
    SampleFeatures sample = one_window();
    AnswerOptions options;
    options.n_best = 7;
    EXPECT_EQ(find_answers(sample.features(), sample.logits(), options)[0].span_text(), "a");
}

}  // namespace
}  // namespace bv
