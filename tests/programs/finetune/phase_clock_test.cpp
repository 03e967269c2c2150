#include "programs/finetune/phase_clock.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "core/activity.hpp"

namespace bv {
namespace {

PhaseClock after_a_step() {
    PhaseClock clock;
    clock.begin();
    clock.end(PhaseClock::data);
    clock.end(PhaseClock::forward);
    clock.add();
    return clock;
}

TEST(PhaseClock, SavingAndEvaluationArePhasesOfTheRunAndOfNoStep) {
    PhaseClock clock = after_a_step();
    const double before = clock.all().at("forward");
    EXPECT_FALSE(clock.step().contains("saving"));
    EXPECT_FALSE(clock.step().contains("evaluation"));
    EXPECT_THAT(clock.shares(), testing::Not(testing::HasSubstr("evaluation")));
    clock.begin(PhaseClock::evaluation);
    const double seconds = clock.end(PhaseClock::evaluation);
    clock.add();
    EXPECT_GT(seconds, 0);
    EXPECT_EQ(clock.all().at("evaluation"), seconds);
    EXPECT_EQ(clock.all().at("forward"), before);
    EXPECT_THAT(clock.shares(), testing::HasSubstr("evaluation"));
}

TEST(PhaseClock, SumsGoOnFromThoseOfAnEarlierRun) {
    const PhaseClock earlier = after_a_step();
    PhaseClock clock;
    clock.restore(earlier.all());
    EXPECT_EQ(clock.all(), earlier.all());
}

TEST(PhaseClock, ThePhaseAtHandIsTheRanksActivity) {
    report_work("fine-tuning: 17 of 60 steps");
    PhaseClock clock;
    clock.begin();
    EXPECT_EQ(activity().text, "fine-tuning: 17 of 60 steps, data");
    clock.end(PhaseClock::data);
    EXPECT_EQ(activity().text, "fine-tuning: 17 of 60 steps, forward");
    clock.end(PhaseClock::backward);
    EXPECT_EQ(activity().text, "fine-tuning: 17 of 60 steps, all_reduce");
    clock.end(PhaseClock::optimizer);
    EXPECT_EQ(activity().text, "fine-tuning: 17 of 60 steps");
}

}  // namespace
}  // namespace bv
