#include "device/cores.hpp"

#include <gtest/gtest.h>

namespace bv {
namespace {

using Masks = std::vector<std::vector<int>>;

/// The part of each process.
std::vector<int> shares(const Masks& masks) {
    std::vector<int> all;
    for (std::size_t i = 0; i < masks.size(); ++i) all.push_back(share_of_cores(masks, i));
    return all;
}

TEST(ShareOfCores, OfOneProcessAreAll) {
    EXPECT_EQ(shares({{0, 1, 2, 3}}), (std::vector{4}));
}

// As a job has them that got part of a node, whose ranks no launcher bound.
TEST(ShareOfCores, OfEqualMasksAreEqual) {
    const std::vector<int> job{8, 9, 10, 11, 12, 13};
    EXPECT_EQ(shares({job, job}), (std::vector{3, 3}));
    EXPECT_EQ(shares({job, job, job}), (std::vector{2, 2, 2}));
    EXPECT_EQ(shares(Masks(4, job)), (std::vector{1, 1, 1, 1}));
}

TEST(ShareOfCores, OfMasksApartAreTheirOwn) {
    EXPECT_EQ(shares({{0, 1}, {2, 3, 4}, {5}}), (std::vector{2, 3, 1}));
}

TEST(ShareOfCores, OfMasksThatOverlapAreDividedWhereTheyDo) {
    EXPECT_EQ(shares({{0, 1, 2, 3}, {2, 3, 4, 5}}), (std::vector{3, 3}));
    EXPECT_EQ(shares({{0, 1}, {0, 1}, {2, 3}, {2, 3}}), (std::vector{1, 1, 1, 1}));
}

TEST(ShareOfCores, AreNeverNone) {
    EXPECT_EQ(shares(Masks(3, {0})), (std::vector{1, 1, 1}));
    EXPECT_EQ(shares({{}}), (std::vector{1}));
}

}  // namespace
}  // namespace bv
