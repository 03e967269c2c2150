#include "stages/head_memory.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"

namespace bv {
namespace {

std::vector<HeadJob> jobs_after(const std::vector<std::int64_t>& steps) {
    std::vector<HeadJob> jobs(steps.size());
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        jobs[i].definition.name = "head" + std::to_string(i);
        jobs[i].steps = steps[i];
    }
    return jobs;
}

TEST(PlanPasses, TakesAllHeadsTogetherWithoutALimit) {
    const std::vector<HeadMemory> memory{{10, 50}, {20, 30}, {10, 70}};
    EXPECT_EQ(plan_passes(jobs_after({0, 0, 0}), memory, 0), (Passes{{0, 1, 2}}));
    EXPECT_EQ(bytes_together({0, 1, 2}, memory), 110);
}

TEST(PlanPasses, FillsAPassUpToTheLimitAndNoFurther) {
    const std::vector<HeadMemory> memory{{10, 50}, {20, 30}, {10, 70}, {5, 5}};
    EXPECT_EQ(plan_passes(jobs_after({0, 0, 0, 0}), memory, 115), (Passes{{0, 1, 2, 3}}));
    EXPECT_EQ(plan_passes(jobs_after({0, 0, 0, 0}), memory, 114), (Passes{{0, 1, 2}, {3}}));
    EXPECT_EQ(plan_passes(jobs_after({0, 0, 0, 0}), memory, 85), (Passes{{0, 1}, {2, 3}}));
}

TEST(PlanPasses, KeepsHeadsApartThatStandAtDifferentSteps) {
    const std::vector<HeadMemory> memory(3, {1, 1});
    EXPECT_EQ(plan_passes(jobs_after({7, 0, 7}), memory, 0), (Passes{{1}, {0, 2}}));
}

TEST(PlanPasses, KeepsHeadsApartThatAreTrainedOnDifferentShares) {
    const std::vector<HeadMemory> memory(4, {1, 1});
    std::vector<HeadJob> jobs = jobs_after({0, 0, 0, 7});
    jobs[1].origin.share = jobs[3].origin.share = 0.5;
    EXPECT_EQ(plan_passes(jobs, memory, 0), (Passes{{1}, {3}, {0, 2}}));
}

TEST(PlanPasses, NamesAHeadThatAloneIsTooLarge) {
    const std::vector<HeadMemory> memory{{10, 50}, {20, 60}};
    EXPECT_THAT(
        [&] {
            plan_passes(jobs_after({0, 0}), memory, 79);
        },
        testing::ThrowsMessage<Error>(testing::HasSubstr("head1")));
}

}  // namespace
}  // namespace bv
