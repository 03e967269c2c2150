#include "stages/phase_clock.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace bv {
namespace {

PhaseClock after_a_step() {
    PhaseClock clock;
    clock.begin_step();
    clock.end(PhaseClock::data);
    clock.end(PhaseClock::forward);
    clock.end_step();
    return clock;
}

TEST(PhaseClock, EvaluationIsAPhaseOfTheRunAndOfNoStep) {
    PhaseClock clock = after_a_step();
    const double before = clock.all().at("forward");
    EXPECT_FALSE(clock.step().contains("evaluation"));
    EXPECT_THAT(clock.shares(), testing::Not(testing::HasSubstr("evaluation")));
    clock.begin_step();
    const double seconds = clock.end(PhaseClock::evaluation);
    clock.end_step();
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

}  // namespace
}  // namespace bv
