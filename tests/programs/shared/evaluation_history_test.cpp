#include "programs/shared/evaluation_history.hpp"

#include <gmock/gmock.h>

#include "helpers/expect_error.hpp"

namespace bv {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

Json span(const std::string& epoch, double f1, double best_f1, double rank_hours = 0) {
    return {{"epoch", epoch},
            {"rank_hours", rank_hours},
            {"official",
             {{"exact", f1 - 1}, {"f1", f1}, {"HasAns_f1", 50.0}, {"NoAns_f1", 70.5}, {"best_f1", best_f1}}}};
}

EvaluationHistory history_of(const std::vector<double>& f1, std::int64_t patience) {
    EvaluationHistory history(Task::span, "f1", patience);
    for (std::size_t i = 0; i < f1.size(); ++i)
        history.add(span(std::to_string(i + 1) + "/10", f1[i], 100 - f1[i]));
    return history;
}

TEST(EvaluationHistory, PatienceCountsCheckpointsInARowWithoutABetterValue) {
    EXPECT_FALSE(history_of({}, 1).out_of_patience());
    EXPECT_FALSE(history_of({60}, 1).out_of_patience());
    EXPECT_TRUE(history_of({60, 59}, 1).out_of_patience());
    EXPECT_FALSE(history_of({60, 59}, 2).out_of_patience());
    EXPECT_FALSE(history_of({60, 59, 61, 60.5}, 2).out_of_patience());
    EXPECT_TRUE(history_of({60, 59, 61, 60.5, 60.9}, 2).out_of_patience());
    EXPECT_FALSE(history_of({60, 59, 58, 57, 56}, 0).out_of_patience());
}

TEST(EvaluationHistory, AnEqualValueIsNoBetterOne) {
    EXPECT_TRUE(history_of({60, 60, 60}, 2).out_of_patience());
    EXPECT_EQ(history_of({60, 60, 60}, 2).best().at("epoch"), "1/10");
}

TEST(EvaluationHistory, TheMetricDecidesWhichIsBest) {
    EvaluationHistory history(Task::span, "best_f1", 1);
    history.add(span("0", 53, 53));
    history.add(span("1/2", 45, 56.25));
    EXPECT_FALSE(history.out_of_patience());
    EXPECT_EQ(history.best(), (Json{{"epoch", "1/2"}, {"metric", "best_f1"}, {"value", 56.25}}));
    EXPECT_EQ(history.best_text(), "epoch 0.5, best F1 56.25");
}

TEST(EvaluationHistory, TheEpochsOfHeadsAreWholeNumbers) {
    EvaluationHistory history(Task::span, "f1", 0);
    EXPECT_EQ(history.best_place(), 0);
    for (const double f1 : {45, 53, 50}) {
        Json evaluation = span("", f1, 60);
        evaluation["epoch"] = history.all().size() + 1;
        history.add(evaluation);
    }
    EXPECT_EQ(history.best_place(), 2);
    EXPECT_EQ(history.best(), (Json{{"epoch", 2}, {"metric", "f1"}, {"value", 53.0}}));
    EXPECT_EQ(history.best_text(), "epoch 2, F1 53.00");
}

TEST(EvaluationHistory, ClassificationHasItsOwnMetrics) {
    EvaluationHistory history(Task::classification, "accuracy", 0);
    history.add({{"epoch", "1"}, {"rank_hours", 0.0}, {"classification", {{"exact", 61.5}, {"f1", 40.0}}}});
    EXPECT_EQ(history.best_text(), "epoch 1, accuracy 61.50");
    EXPECT_EQ(history.last_text("rank-hours"), "epoch 1: accuracy 61.50, F1 40.00");
}

TEST(EvaluationHistory, TheLastOneIsSaidWithWhatItGainedAnHour) {
    EvaluationHistory history(Task::span, "f1", 0);
    history.add(span("1/10", 58, 59, 0.1));
    EXPECT_EQ(history.last_text("GPU-hours"),
              "epoch 0.1: EM 57.00, F1 58.00, has-answer F1 50.00, no-answer F1 70.50, best F1 59.00");
    history.add(span("1/5", 60.3, 61, 0.15));
    EXPECT_THAT(history.last_text("GPU-hours"), HasSubstr("epoch 0.2: EM 59.30, F1 60.30, "));
    EXPECT_THAT(history.last_text("GPU-hours"), HasSubstr("; +2.30 F1 in 0.05 GPU-hours (46.0 F1 an hour)"));
    history.add(span("3/10", 59.3, 61, 0.25));
    EXPECT_THAT(history.last_text("rank-hours"),
                HasSubstr("; -1.00 F1 in 0.1 rank-hours (-10.0 F1 an hour)"));
}

TEST(EvaluationHistory, GoesOnAfterTheEvaluationsOfAnEarlierRun) {
    const EvaluationHistory earlier = history_of({60, 59}, 2);
    EvaluationHistory history(Task::span, "f1", 2);
    history.restore(Json::parse(earlier.all().dump()));
    EXPECT_FALSE(history.out_of_patience());
    history.add(span("3/10", 58, 58));
    EXPECT_TRUE(history.out_of_patience());
}

TEST(EvaluationHistory, EveryTaskHasItsMetricsAndEachIsNamedOnce) {
    EXPECT_THAT(eval_metrics(), testing::ElementsAre("em", "f1", "best_f1", "accuracy"));
}

TEST(EvaluationHistory, AMetricOfTheOtherTaskIsRefusedByName) {
    BV_EXPECT_ERROR(EvaluationHistory(Task::classification, "best_f1", 0), "--eval-metric is best_f1",
                    "classification", "accuracy, f1");
}

}  // namespace
}  // namespace bv
