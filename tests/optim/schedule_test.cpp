#include "optim/schedule.hpp"

#include <gmock/gmock.h>

#include "helpers/expect_error.hpp"

namespace bv {
namespace {

TEST(Schedule, AConstantRateIsConstant) {
    const Schedule schedule(ScheduleKind::constant, 1e-5, 0, 100);
    for (const std::int64_t step : {0, 1, 99, 1000}) EXPECT_EQ(schedule.rate(step), 1e-5);
}

TEST(Schedule, LinearIsThatOfTransformers) {
    // transformers: get_linear_schedule_with_warmup(optimizer, 3, 10), lr 2e-4, get_last_lr() before every
    // step.
    const double wanted[] = {0.0,
                             6.666666666666667e-05,
                             1.3333333333333334e-04,
                             2e-4,
                             1.7142857142857143e-04,
                             1.4285714285714287e-04,
                             1.1428571428571428e-04,
                             8.571428571428571e-05,
                             5.7142857142857146e-05,
                             2.857142857142857e-05,
                             0.0};
    const Schedule schedule(ScheduleKind::linear, 2e-4, 3, 10);
    for (std::int64_t step = 0; step <= 10; ++step)
        EXPECT_DOUBLE_EQ(schedule.rate(step), wanted[step]) << step;
    EXPECT_EQ(schedule.rate(11), 0);
}

TEST(Schedule, LinearWithoutWarmUpStartsAtThePeak) {
    const Schedule schedule(ScheduleKind::linear, 1, 0, 4);
    EXPECT_EQ(schedule.rate(0), 1);
    EXPECT_EQ(schedule.rate(3), 0.25);
}

TEST(Schedule, NoStepsAtAllAreAllowed) {
    EXPECT_EQ(Schedule(ScheduleKind::linear, 1, 0, 0).rate(0), 0);
}

TEST(Schedule, WarmUpStepsAreTheFloorOfTheDecimalShare) {
    for (std::int64_t total = 0; total < 2000; ++total) {
        EXPECT_EQ(warm_up_steps(0.1, total), total / 10);
        EXPECT_EQ(warm_up_steps(0.29, total), total * 29 / 100);
        EXPECT_EQ(warm_up_steps(0, total), 0);
        EXPECT_EQ(warm_up_steps(1, total), total);
    }
    BV_EXPECT_ERROR(warm_up_steps(1.5, 10), "1.5", "0 to 1");
    BV_EXPECT_ERROR(warm_up_steps(-0.1, 10), "-0.1");
    BV_EXPECT_ERROR(warm_up_steps(std::numeric_limits<double>::quiet_NaN(), 10), "nan");
}

TEST(Schedule, NamesAreRead) {
    EXPECT_EQ(parse<ScheduleKind>("constant"), ScheduleKind::constant);
    EXPECT_EQ(parse<ScheduleKind>("linear"), ScheduleKind::linear);
    BV_EXPECT_ERROR(parse<ScheduleKind>("cosine"), "'cosine'", "constant, linear");
}

}  // namespace
}  // namespace bv
