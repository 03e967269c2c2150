#include "stages/head_memory.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"

namespace bv {
namespace {

/// Heads of as many definitions as there are different names.
std::vector<HeadJob> jobs_of(const std::vector<std::string>& names, const std::vector<HeadMemory>& memory) {
    std::vector<HeadJob> jobs(names.size());
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        jobs[i].definition.name = names[i];
        jobs[i].memory = memory[i];
    }
    return jobs;
}

TEST(PlanPasses, TakesAllHeadsTogetherWithoutALimit) {
    const auto jobs = jobs_of({"a", "b", "c"}, {{10, 50}, {20, 30}, {10, 70}});
    EXPECT_EQ(plan_passes(jobs, 0), (HeadGroups{{0, 1, 2}}));
    EXPECT_EQ(bytes_together(jobs), 110);
}

TEST(PlanPasses, FillsAPassUpToTheLimitAndNoFurther) {
    const auto jobs = jobs_of({"a", "b", "c", "d"}, {{10, 50}, {20, 30}, {10, 70}, {5, 5}});
    EXPECT_EQ(plan_passes(jobs, 115), (HeadGroups{{0, 1, 2, 3}}));
    EXPECT_EQ(plan_passes(jobs, 114), (HeadGroups{{0, 1, 2}, {3}}));
    EXPECT_EQ(plan_passes(jobs, 85), (HeadGroups{{0, 1}, {2, 3}}));
}

TEST(PlanPasses, KeepsHeadsApartThatStandAtDifferentSteps) {
    auto jobs = jobs_of({"a", "b", "c"}, {{1, 1}, {1, 1}, {1, 1}});
    jobs[0].steps = jobs[2].steps = 7;
    EXPECT_EQ(plan_passes(jobs, 0), (HeadGroups{{1}, {0, 2}}));
}

TEST(PlanPasses, KeepsHeadsApartThatAreTrainedOnDifferentShares) {
    auto jobs = jobs_of({"a", "b", "c", "d"}, {{1, 1}, {1, 1}, {1, 1}, {1, 1}});
    jobs[3].steps = 7;
    jobs[1].origin.share = jobs[3].origin.share = 0.5;
    EXPECT_EQ(plan_passes(jobs, 0), (HeadGroups{{1}, {3}, {0, 2}}));
}

TEST(PlanPasses, NamesAHeadThatAloneIsTooLarge) {
    const auto jobs = jobs_of({"small", "large"}, {{10, 50}, {20, 60}});
    EXPECT_THAT([&] { plan_passes(jobs, 79); }, testing::ThrowsMessage<Error>(testing::HasSubstr("large")));
}

TEST(GroupAlike, HeadsOfOneDefinitionTakeTheirStepsTogether) {
    auto jobs = jobs_of({"a", "b", "a", "a"}, {{10, 50}, {20, 100}, {10, 50}, {10, 50}});
    EXPECT_EQ(group_alike(jobs), (HeadGroups{{0, 2, 3}, {1}}));
    EXPECT_EQ(bytes_together(jobs), 50 + 150);
    jobs[2].first_state = 1;  // another layer
    EXPECT_EQ(group_alike(jobs), (HeadGroups{{0, 3}, {1}, {2}}));
}

TEST(GroupAlike, AGroupTakesAtMostAGibibyteUnlessItIsAHeadAlone) {
    constexpr std::int64_t kGib = std::int64_t{1} << 30;
    const HeadMemory half{1, kGib / 2};
    EXPECT_EQ(group_alike(jobs_of({"a", "a", "a"}, {half, half, half})), (HeadGroups{{0, 1}, {2}}));
    const HeadMemory large{1, 2 * kGib};
    EXPECT_EQ(group_alike(jobs_of({"a", "a"}, {large, large})), (HeadGroups{{0}, {1}}));
}

}  // namespace
}  // namespace bv
