#include "squad/features/features_part.hpp"

#include <gtest/gtest.h>

#include "helpers/sample_features.hpp"

namespace bv {
namespace {

TEST(FeaturesPart, HasTheWindowsOfItsQuestionsAsTheyWereAlone) {
    SampleFeatures all, alone;
    all.add("q0", 3, {{"a", 0}}, {{0, 3}});
    all.add("q1", 6, {{"b", 2}}, {{0, 4}, {2, 6}});
    all.add("q2", 4, {}, {{0, 4}});
    alone.add("q1", 6, {{"b", 2}}, {{0, 4}, {2, 6}});
    alone.add("q2", 4, {}, {{0, 4}});
    // The part keeps the context of q0, which `alone` has none of.
    alone.features().contexts = all.features().contexts;
    for (Question& question : alone.features().questions) ++question.context;
    const Features part = part_of(all.features(), {false, true, true});
    EXPECT_EQ(part.count(), 3);
    EXPECT_EQ(part.fingerprint(), alone.features().fingerprint());
}

TEST(FeaturesPart, OfAllQuestionsIsTheWhole) {
    SampleFeatures all;
    all.add("q0", 3, {{"a", 0}}, {{0, 3}});
    all.add("q1", 4, {}, {{0, 2}, {2, 4}});
    EXPECT_EQ(part_of(all.features(), {true, true}).fingerprint(), all.features().fingerprint());
}

}  // namespace
}  // namespace bv
