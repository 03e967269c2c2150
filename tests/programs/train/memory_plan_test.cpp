#include "programs/train/memory_plan.hpp"

#include <ATen/ATen.h>
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

/// The groups of each pass.
std::vector<HeadGroups> groups_of(const std::vector<HeadJob>& jobs, double limit) {
    std::vector<HeadGroups> all;
    for (const HeadPass& pass : plan_passes(jobs, {limit, limit})) all.push_back(pass.groups);
    return all;
}

using Passes = std::vector<HeadGroups>;

TEST(PlanPasses, TakesAllHeadsTogetherWithoutALimit) {
    const auto jobs = jobs_of({"a", "b", "c"}, {{10, 50}, {20, 30}, {10, 70}});
    EXPECT_EQ(groups_of(jobs, 0), (Passes{{{0}, {1}, {2}}}));
    const HeadPass pass = plan_passes(jobs, {}).front();
    EXPECT_EQ(pass.kept, 40);
    EXPECT_EQ(pass.working, 70);  // they take turns
}

TEST(PlanPasses, FillsAPassUpToTheLimitAndNoFurther) {
    const auto jobs = jobs_of({"a", "b", "c", "d"}, {{10, 50}, {20, 30}, {10, 70}, {5, 5}});
    EXPECT_EQ(groups_of(jobs, 115), (Passes{{{0}, {1}, {2}, {3}}}));
    EXPECT_EQ(groups_of(jobs, 114), (Passes{{{0}, {1}, {2}}, {{3}}}));
    EXPECT_EQ(groups_of(jobs, 85), (Passes{{{0}, {1}}, {{2}, {3}}}));
}

TEST(PlanPasses, KeepsHeadsApartThatStandAtDifferentSteps) {
    auto jobs = jobs_of({"a", "b", "a"}, {{1, 1}, {1, 1}, {1, 1}});
    EXPECT_EQ(groups_of(jobs, 0), (Passes{{{0, 2}, {1}}}));
    jobs[0].steps = 7;
    EXPECT_EQ(groups_of(jobs, 0), (Passes{{{1}, {2}}, {{0}}}));
    jobs[2].steps = 7;
    jobs[2].scored = 1;  // stopped after the scores of the epoch, not before them
    EXPECT_EQ(groups_of(jobs, 0), (Passes{{{1}}, {{0}}, {{2}}}));
}

TEST(PlanPasses, KeepsHeadsApartThatAreTrainedOnDifferentShares) {
    auto jobs = jobs_of({"a", "b", "c", "d"}, {{1, 1}, {1, 1}, {1, 1}, {1, 1}});
    jobs[3].steps = 7;
    jobs[1].origin.share = jobs[3].origin.share = 0.5;
    EXPECT_EQ(groups_of(jobs, 0), (Passes{{{1}}, {{3}}, {{0}, {2}}}));
}

TEST(PlanPasses, NamesAHeadThatAloneIsTooLarge) {
    const auto jobs = jobs_of({"small", "large"}, {{10, 50}, {20, 60}});
    EXPECT_THAT(
        [&] {
            plan_passes(jobs, {79, 79});
        },
        testing::ThrowsMessage<Error>(testing::HasSubstr("large")));
}

TEST(PlanPasses, GroupsHeadsOfOneDefinitionOverTheSameStates) {
    auto jobs = jobs_of({"a", "b", "a", "a"}, {{10, 50}, {20, 100}, {10, 50}, {10, 50}});
    EXPECT_EQ(groups_of(jobs, 0), (Passes{{{0, 2, 3}, {1}}}));
    EXPECT_EQ(plan_passes(jobs, {}).front().working, 150);
    jobs[2].first_state = 1;  // another layer
    EXPECT_EQ(groups_of(jobs, 0), (Passes{{{0, 3}, {1}, {2}}}));
}

TEST(PlanPasses, GroupsAsManyAsFitBesideWhatAllKeep) {
    const auto jobs = jobs_of({"a", "a", "a", "b"}, {{10, 50}, {10, 50}, {10, 50}, {5, 120}});
    EXPECT_EQ(groups_of(jobs, 185), (Passes{{{0, 1, 2}, {3}}}));
    EXPECT_EQ(groups_of(jobs, 184), (Passes{{{0, 1}, {2}, {3}}}));
    for (const double limit : {185, 184, 155}) {
        const HeadPass pass = plan_passes(jobs, {limit, limit}).front();
        EXPECT_LE(static_cast<double>(pass.kept + pass.working), limit);
    }
}

TEST(PlanPasses, KeepsTheGroupsOfAnInterruptedRun) {
    std::vector<HeadJob> jobs = jobs_of({"a", "a", "b", "a", "a"}, std::vector<HeadMemory>(5, {10, 50}));
    for (const std::size_t i : {0, 1, 2, 3, 4}) jobs[i].steps = 7;
    for (const std::size_t i : {0, 3}) jobs[i].group = "first";
    for (const std::size_t i : {1, 2, 4}) jobs[i].group = "second";
    const Passes as_before{{{0, 3}, {1, 4}, {2}}};
    EXPECT_EQ(groups_of(jobs, 0), as_before);
    EXPECT_EQ(groups_of(jobs, 150), as_before);
    EXPECT_EQ(groups_of(jobs, 149), (Passes{{{0, 3}, {1, 4}}, {{2}}}));
    EXPECT_FALSE(plan_passes(jobs, {.fresh = 70, .in_group = 150}).front().divided);
}

TEST(PlanPasses, DividesAGroupOfAnInterruptedRunThatTakesTooMuch) {
    std::vector<HeadJob> jobs = jobs_of({"a", "a", "a"}, std::vector<HeadMemory>(3, {10, 50}));
    for (HeadJob& job : jobs) {
        job.steps = 7;
        job.group = "all";
    }
    EXPECT_EQ(groups_of(jobs, 180), (Passes{{{0, 1, 2}}}));
    EXPECT_EQ(groups_of(jobs, 179), (Passes{{{0, 1}, {2}}}));
    EXPECT_TRUE(plan_passes(jobs, {179, 179}).front().divided);
}

TEST(PeakBytes, AreThoseInTheMemoryOfADevice) {
    const auto work = [] {
        at::Tensor kept = at::empty({1000}, at::kFloat);
        at::empty({500}, at::kFloat);
        at::empty({700}, at::kFloat);
    };
    EXPECT_EQ(peak_bytes(at::kCPU, work), 4 * 1700);
    EXPECT_EQ(peak_bytes(at::kCUDA, work), 0);  // as masks that a GPU's step draws on the host
}

}  // namespace
}  // namespace bv
