#include "squad/scoring/logits.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "helpers/sample_features.hpp"
#include "helpers/temporary_folder.hpp"
#include "io/files.hpp"
#include "io/safetensors.hpp"

namespace bv {
namespace {

class LogitsFile : public ::testing::Test {
  protected:
    TemporaryFolder folder_;
    std::filesystem::path path_ = folder_.path() / "logits.safetensors";
};

TEST_F(LogitsFile, GivesSpanLogitsBack) {
    write_logits(path_, SpanLogits{"abc", {1, 2.5, -3}, {4, 5, 6}});
    EXPECT_EQ(task_of_logits(path_), Task::span);
    const SpanLogits read = read_span_logits(path_);
    EXPECT_EQ(read.features, "abc");
    EXPECT_EQ(read.start, (std::vector<float>{1, 2.5, -3}));
    EXPECT_EQ(read.end, (std::vector<float>{4, 5, 6}));
}

TEST_F(LogitsFile, GivesClassLogitsBack) {
    write_logits(path_, ClassLogits{"abc", {1, 2, 3, 4}});
    EXPECT_EQ(task_of_logits(path_), Task::classification);
    EXPECT_EQ(read_class_logits(path_).logits, (std::vector<float>{1, 2, 3, 4}));
}

TEST_F(LogitsFile, OfAnotherTaskIsRefusedByName) {
    write_logits(path_, ClassLogits{"abc", {1, 2}});
    try {
        read_span_logits(path_);
        FAIL();
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find(path_.string()), std::string::npos);
        EXPECT_NE(std::string(error.what()).find("classification"), std::string::npos);
    }
}

TEST_F(LogitsFile, WithAChangedByteIsRefusedByName) {
    for (const bool span : {true, false}) {
        if (span) {
            write_logits(path_, SpanLogits{"abc", {1, 2.5, -3}, {4, 5, 6}});
        } else {
            write_logits(path_, ClassLogits{"abc", {1, 2, 3, 4}});
        }
        std::string content = read_file(path_);
        content[content.size() - 2] ^= 1;
        write_file(path_, content);
        try {
            span ? static_cast<void>(read_span_logits(path_)) : static_cast<void>(read_class_logits(path_));
            FAIL();
        } catch (const Error& error) {
            EXPECT_NE(std::string(error.what()).find(path_.string() + ": it is damaged"), std::string::npos);
        }
    }
}

TEST_F(LogitsFile, OfOtherMakingHasNoFingerprint) {
    const std::vector<float> numbers{1, 2};
    const std::string_view bytes(reinterpret_cast<const char*>(numbers.data()), 8);
    write_safetensors(path_, {{"start", {DType::f32, {2}, bytes}}, {"end", {DType::f32, {2}, bytes}}},
                      {{"task", "span"}, {"features", "abc"}});
    EXPECT_EQ(read_span_logits(path_).end, numbers);
}

TEST_F(LogitsFile, CutShortIsRefused) {
    write_logits(path_, SpanLogits{"abc", {1, 2, 3}, {4, 5, 6}});
    const std::string whole = read_file(path_);
    write_file(path_, std::string_view(whole).substr(0, whole.size() - 4));
    EXPECT_THROW(read_span_logits(path_), Error);
}

TEST(QuestionNotFinite, IsTheFirstWithSuchALogitInAnyOfItsWindows) {
    SampleFeatures sample;
    sample.add("one", 4, {}, {{0, 4}});
    sample.add("two", 6, {}, {{0, 3}, {3, 6}});
    sample.add("three", 4, {}, {{0, 4}});
    const Features& features = sample.features();
    const auto tokens = static_cast<std::size_t>(features.tokens());
    SpanLogits span{"", std::vector<float>(tokens, 1e38F), std::vector<float>(tokens, -1e38F)};
    EXPECT_FALSE(question_not_finite(features, span));
    const auto last =
        static_cast<std::size_t>(features.starts[3]) - 1;  // token of the second window of "two"
    for (const float value : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
        span.end = std::vector<float>(tokens, 0);
        span.end.back() = value;
        EXPECT_EQ(question_not_finite(features, span), "three");
        span.end[last] = value;
        EXPECT_EQ(question_not_finite(features, span), "two");
    }
    ClassLogits classes{"", std::vector<float>(2 * static_cast<std::size_t>(features.count()), 3)};
    EXPECT_FALSE(question_not_finite(features, classes));
    classes.logits[5] = std::nanf("");
    EXPECT_EQ(question_not_finite(features, classes), "two");
}

}  // namespace
}  // namespace bv
