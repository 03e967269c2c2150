#include "squad/scoring/official_scorer.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace bv {
namespace {

Question question(const std::string& id, const std::vector<std::string>& golds) {
    Question result;
    result.id = id;
    for (const std::string& gold : golds) result.answers.push_back({gold, 0});
    result.impossible = golds.empty();
    return result;
}

TEST(OfficialScorer, ComparesWithTheBestGoldAnswer) {
    const std::vector<Question> questions{question("x", {"red fox", "the red fox jumps"})};
    const auto scores = official_scores(questions, {{"x", "A red fox runs"}}, std::nullopt);
    EXPECT_EQ(scores["exact"], 0.0);
    // against "red fox": precision 2/3, recall 1; against "red fox jumps": 2/3, 2/3.
    EXPECT_NEAR(scores["f1"], 80.0, 1e-12);
}

TEST(OfficialScorer, NoAnswerIsRightOnlyWhereThereIsNone) {
    const std::vector<Question> questions{question("x", {}), question("y", {}), question("z", {"fox"})};
    const auto scores = official_scores(questions, {{"x", ""}, {"y", "fox"}, {"z", ""}}, std::nullopt);
    EXPECT_NEAR(scores["exact"], 100.0 / 3, 1e-12);
    EXPECT_EQ(scores["HasAns_f1"], 0.0);
    EXPECT_EQ(scores["NoAns_f1"], 50.0);
    EXPECT_EQ(scores["NoAns_total"], 2);
}

TEST(OfficialScorer, AGoldAnswerOfArticlesAloneCountsAsEmpty) {
    const std::vector<Question> questions{question("x", {"The"})};
    EXPECT_EQ(official_scores(questions, {{"x", ""}}, std::nullopt)["exact"], 100.0);
    EXPECT_EQ(official_scores(questions, {{"x", ""}}, std::nullopt)["HasAns_exact"], 100.0);
}

TEST(OfficialScorer, AboveTheThresholdTheAnswerIsNone) {
    const std::vector<Question> questions{question("x", {"fox"}), question("y", {})};
    const PredictedTexts predictions{{"x", "fox"}, {"y", "fox"}};
    const NoAnswerScores none{{"x", 0.3}, {"y", 0.6}};
    EXPECT_EQ(official_scores(questions, predictions, none, 0.3)["exact"], 100.0);
    EXPECT_EQ(official_scores(questions, predictions, none, 0.2)["exact"], 50.0);
    EXPECT_EQ(official_scores(questions, predictions, none, 0.6)["exact"], 50.0);
}

TEST(OfficialScorer, FindsTheBestThreshold) {
    const std::vector<Question> questions{question("x", {"fox"}), question("y", {}), question("z", {"fox"})};
    const PredictedTexts predictions{{"x", "fox"}, {"y", "fox"}, {"z", "fox"}};
    const auto scores =
        official_scores(questions, predictions, NoAnswerScores{{"z", 0.9}, {"y", 0.5}, {"x", 0.1}});
    // Accepting x: 2 of 3; then y: 1; then z: 2, no better.
    EXPECT_NEAR(scores["best_exact"], 200.0 / 3, 1e-12);
    EXPECT_EQ(scores["best_exact_thresh"], 0.1);
}

TEST(OfficialScorer, TiedProbabilitiesAreTakenInTheFilesOrder) {
    const std::vector<Question> questions{question("x", {"fox"}), question("y", {})};
    const PredictedTexts predictions{{"x", "fox"}, {"y", "fox"}};
    const auto best = [&](const NoAnswerScores& none) {
        return official_scores(questions, predictions, none)["best_exact"].get<double>();
    };
    EXPECT_EQ(best({{"x", 0.5}, {"y", 0.5}}), 100.0);  // x is accepted alone for a moment, as in the script
    EXPECT_EQ(best({{"y", 0.5}, {"x", 0.5}}), 50.0);
}

TEST(OfficialScorer, AveragePrecisionAcceptsTiesTogether) {
    const std::vector<Question> questions{question("x", {"fox"}), question("y", {}), question("z", {"fox"})};
    const PredictedTexts predictions{{"x", "fox"}, {"y", "fox"}, {"z", "cat"}};
    const auto scores =
        official_scores(questions, predictions, NoAnswerScores{{"x", 0.5}, {"y", 0.5}, {"z", 0.9}});
    // Thresholds: {x, y} precision 1/2, recall 1/2; all: no more recall. The oracle: 1/2 * 1/2 + 2/3 * 1/2.
    EXPECT_NEAR(scores["pr_exact_ap"], 25.0, 1e-12);
    EXPECT_NEAR(scores["pr_oracle_ap"], 100.0 * (0.25 + 1.0 / 3), 1e-12);
}

TEST(OfficialScorer, FieldsStandInTheScriptsOrder) {
    const std::vector<Question> questions{question("x", {"fox"}), question("y", {})};
    const auto scores =
        official_scores(questions, {{"x", "fox"}, {"y", ""}}, NoAnswerScores{{"x", 0.0}, {"y", 1.0}});
    std::vector<std::string> names;
    for (const auto& [name, value] : scores.items()) names.push_back(name);
    EXPECT_EQ(names, (std::vector<std::string>{"exact", "f1", "total", "HasAns_exact", "HasAns_f1",
                                               "HasAns_total", "NoAns_exact", "NoAns_f1", "NoAns_total",
                                               "best_exact", "best_exact_thresh", "best_f1", "best_f1_thresh",
                                               "pr_exact_ap", "pr_f1_ap", "pr_oracle_ap"}));
}

TEST(OfficialScorer, AMissingPredictionIsLeftOut) {
    const std::vector<Question> questions{question("x", {"fox"}), question("y", {"cat"})};
    const auto scores = official_scores(questions, {{"x", "fox"}, {"unknown", "cat"}}, std::nullopt);
    EXPECT_EQ(scores["exact"], 100.0);
    EXPECT_EQ(scores["total"], 1);
}

TEST(OfficialScorer, RefusesWhatItCannotScore) {
    const std::vector<Question> questions{question("x", {"fox"})};
    EXPECT_THROW(official_scores(questions, {{"y", "fox"}}, std::nullopt), Error);
    EXPECT_THROW(official_scores(questions, {{"x", "fox"}}, NoAnswerScores{{"y", 0.0}}), Error);
}

}  // namespace
}  // namespace bv
