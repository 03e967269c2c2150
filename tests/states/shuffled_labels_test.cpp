#include "states/shuffled_labels.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "helpers/random_source.hpp"
#include "helpers/sample_features.hpp"

namespace bv {
namespace {

/// 60 questions about contexts of 3 to 22 letters. A third of the questions have no answer; the answers of
/// the others have 1 to 4 tokens. Every other question has two windows.
Features lettered_features() {
    SampleFeatures sample;
    for (int q = 0; q < 60; ++q) {
        const int letters = 3 + (q * 7) % 20;
        const bool answerable = q % 3 != 0;
        std::vector<SampleFeatures::Window> windows{{0, letters}};
        if (q % 2 == 1) windows = {{0, letters - 1}, {1, letters}};
        const std::size_t first = sample.features().question_of.size();
        sample.add(std::to_string(q), letters,
                   answerable ? std::vector<Answer>{{"a", 0}} : std::vector<Answer>{}, windows);
        if (!answerable) continue;
        const int length = std::min(1 + q % 4, letters - 1);
        sample.features().start_label[first] = 3;
        sample.features().end_label[first] = 3 + length - 1;
    }
    return sample.features();
}

std::vector<bool> all_questions(const Features& features) {
    return std::vector<bool>(features.questions.size(), true);
}

/// How often each length occurs; 0 is "none".
std::map<std::int64_t, int> lengths_of(const Labels& labels) {
    std::map<std::int64_t, int> counts;
    for (std::size_t f = 0; f < labels.start.size(); ++f)
        ++counts[labels.start[f] == 0 ? 0 : labels.end[f] - labels.start[f] + 1];
    return counts;
}

int changed(const Labels& one, const Labels& other) {
    int count = 0;
    for (std::size_t f = 0; f < one.start.size(); ++f)
        count += one.start[f] != other.start[f] || one.end[f] != other.end[f] ? 1 : 0;
    return count;
}

TEST(ShuffledLabels, AnswersKeepTheirLengthsAndLieInTheContext) {
    const Features features = lettered_features();
    const Labels own{features.start_label, features.end_label};
    const Labels shuffled = shuffled_labels(features, all_questions(features), 1);
    for (std::size_t f = 0; f < shuffled.start.size(); ++f) {
        ASSERT_LE(shuffled.start[f], shuffled.end[f]);
        if (shuffled.start[f] == 0) {
            EXPECT_EQ(shuffled.end[f], 0);
            continue;
        }
        for (std::int64_t t = shuffled.start[f]; t <= shuffled.end[f]; ++t)
            EXPECT_NE(features.char_begin[static_cast<std::size_t>(features.starts[f] + t)], kNoOffset);
    }
    // The shortest context has 2 tokens in a window, so a few of the longest answers may be cut.
    const auto before = lengths_of(own);
    const auto after = lengths_of(shuffled);
    EXPECT_EQ(after.at(0), before.at(0));
    int moved = 0;
    for (const auto& [length, count] : before)
        moved += std::abs(count - (after.contains(length) ? after.at(length) : 0));
    EXPECT_LE(moved, 8);
    EXPECT_GT(changed(own, shuffled), features.count() / 3);
    std::set<std::int32_t> places(shuffled.start.begin(), shuffled.start.end());
    EXPECT_GT(places.size(), 8U);
}

TEST(ShuffledLabels, AnAnswerIsCutWhereTheContextIsShorter) {
    SampleFeatures sample;
    sample.add("long", 9, {{"a", 0}}, {{0, 9}});
    sample.add("short", 2, {{"a", 0}}, {{0, 2}});
    Features& features = sample.features();
    features.start_label = {3, 3};
    features.end_label = {9, 3};  // 7 tokens, and 1
    const Labels shuffled = shuffled_labels(features, {true, true}, 5);
    EXPECT_EQ(shuffled.start[0], shuffled.end[0]);
    EXPECT_EQ(shuffled.start[1], 3);
    EXPECT_EQ(shuffled.end[1], 4);
}

TEST(ShuffledLabels, EachClassKeepsItsNumberOfFeatures) {
    const Features features = lettered_features();
    const Labels shuffled = shuffled_labels(features, all_questions(features), 1);
    int none = 0;
    int moved = 0;
    for (std::int64_t f = 0; f < features.count(); ++f) {
        const bool is_none = shuffled.start[static_cast<std::size_t>(f)] == 0;
        none += (is_none ? 1 : 0) - (features.no_answer(f) ? 1 : 0);
        moved += is_none != features.no_answer(f) ? 1 : 0;
    }
    EXPECT_EQ(none, 0);
    EXPECT_GT(moved, 10);
}

TEST(ShuffledLabels, FollowFromTheSeedAndLeaveOtherQuestionsAlone) {
    const Features features = lettered_features();
    const Labels own{features.start_label, features.end_label};
    std::vector<bool> some = all_questions(features);
    for (std::size_t q = 0; q < some.size(); q += 4) some[q] = false;
    const Labels first = shuffled_labels(features, some, 7);
    EXPECT_EQ(changed(first, shuffled_labels(features, some, 7)), 0);
    EXPECT_GT(changed(first, shuffled_labels(features, some, 8)), 0);
    for (std::size_t f = 0; f < own.start.size(); ++f) {
        if (some[static_cast<std::size_t>(features.question_of[f])]) continue;
        EXPECT_EQ(first.start[f], own.start[f]);
        EXPECT_EQ(first.end[f], own.end[f]);
    }
}

TEST(ShuffledLabels, ABatchHasThoseOfItsFeaturesWhicheverStandBesideThem) {
    const RandomSource whole;
    Labels labels{whole.features().start_label, whole.features().end_label};
    for (std::size_t f = 0; f < labels.start.size(); ++f) {
        labels.start[f] = f % 5 == 0 ? 0 : static_cast<std::int32_t>(100 + f);
        labels.end[f] = f % 5 == 0 ? 0 : static_cast<std::int32_t>(200 + f);
    }
    const auto source = with_labels(whole, labels);
    for (const FeatureBatches& batches :
         {FeatureBatches{{3, 10, 4}, {}, {20, 5}}, FeatureBatches{{10}, {5, 3, 20, 4}}}) {
        const std::vector<StateBatch> found = source->read(batches);
        const std::vector<StateBatch> plain = whole.read(batches);
        for (std::size_t b = 0; b < batches.size(); ++b) {
            if (batches[b].empty()) continue;
            EXPECT_TRUE(found[b].states.equal(plain[b].states));
            EXPECT_EQ(found[b].packed->starts, plain[b].packed->starts);
            for (std::size_t i = 0; i < batches[b].size(); ++i) {
                const auto f = static_cast<std::size_t>(batches[b][i]);
                const auto at_place = [&](const at::Tensor& of) {
                    return of[static_cast<std::int64_t>(i)].item<std::int64_t>();
                };
                EXPECT_EQ(at_place(found[b].packed->start_labels), labels.start[f]);
                EXPECT_EQ(at_place(found[b].packed->end_labels), labels.end[f]);
                EXPECT_EQ(at_place(found[b].packed->no_answer), f % 5 == 0 ? 1 : 0);
            }
        }
    }
}

}  // namespace
}  // namespace bv
